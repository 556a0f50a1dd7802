"""phantomgate: opaque tokens, session cookies and JWTs in; a JWT your API can trust out.

The public names, loaded when asked for (PEP 562), so that `import phantomgate` costs nothing on a cold start.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phantomgate.adapters.caller import Caller as Caller
    from phantomgate.config.loading import load_settings as load_settings
    from phantomgate.config.settings import Settings as Settings
    from phantomgate.core.errors import PhantomgateError as PhantomgateError
    from phantomgate.core.errors import Reason as Reason
    from phantomgate.core.errors import Refused as Refused
    from phantomgate.core.errors import SettingsError as SettingsError
    from phantomgate.core.errors import Unavailable as Unavailable
    from phantomgate.core.model import Allow as Allow
    from phantomgate.core.model import Credential as Credential
    from phantomgate.core.model import Headers as Headers
    from phantomgate.core.model import Refuse as Refuse
    from phantomgate.core.model import Request as Request
    from phantomgate.core.model import Route as Route
    from phantomgate.core.model import Token as Token
    from phantomgate.gateway.gateway import Gateway as Gateway
    from phantomgate.servers.agent_app import agent_app as agent_app

__version__ = "0.1.0"

_HOMES = {
    "Caller": "adapters.caller",
    "Settings": "config.settings",
    "load_settings": "config.loading",
    "Gateway": "gateway.gateway",
    "agent_app": "servers.agent_app",
    **dict.fromkeys(("PhantomgateError", "Reason", "Refused", "SettingsError", "Unavailable"), "core.errors"),
    **dict.fromkeys(("Allow", "Credential", "Headers", "Refuse", "Request", "Route", "Token"), "core.model"),
}

__all__ = [  # noqa: PLE0604 - the names are strings, gathered from the table above
    "__version__",
    *sorted(_HOMES),
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
