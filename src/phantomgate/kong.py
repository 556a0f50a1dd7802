"""`phantomgate.kong.Plugin`: the plugin for Kong's Python plugin server (kong-pdk, with --no-lua-style).

Rule: whatever goes wrong here, the request is refused. What goes wrong without us (the plugin server is gone, and Kong
goes on) is for the function in deploy/kong-python/kong.yml, which lets nothing pass that we have not marked.
"""

from __future__ import annotations

import threading
from functools import reduce
from pathlib import Path
from typing import Any

from phantomgate import __version__
from phantomgate.adapters.kong import MOST_HEADERS, read_kong, write_allow, write_refusal
from phantomgate.adapters.limits import too_large
from phantomgate.adapters.refusal import Refusal
from phantomgate.adapters.refusal import write_refusal as http_refusal
from phantomgate.backends.blocking import finish
from phantomgate.config.loading import load_settings, process_environ
from phantomgate.config.revoking import unheard
from phantomgate.config.wiring import Wired, wire
from phantomgate.core.errors import Reason, SettingsError
from phantomgate.core.model import Allow, Headers, Refuse, Request

Schema = ({"settings": {"type": "string", "required": True}},)
"""What kong.yml says of the plugin: `settings`, the path of phantomgate.toml."""
version = __version__
priority = 1000  # Kong's own authentication plugins are between 1000 and 2000

_wired: dict[str, Wired] = {}
_wiring = threading.Lock()


def wired(file: str) -> Wired:
    """The gateway that *file* describes, made once a process. Raises SettingsError."""
    with _wiring:
        if file not in _wired:
            settings = load_settings(Path(file), process_environ())
            if problems := unheard(settings):
                raise SettingsError(problems)
            _wired[file] = wire(settings)
        return _wired[file]


class Plugin:
    """One configuration of the plugin. Raises SettingsError when its settings have problems."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.wired = wired(config["settings"])

    def access(self, kong: Any) -> None:
        """Decide about the request that *kong*, the PDK, is about."""
        try:
            refusal = self.decide(kong)
        except Exception as bug:  # noqa: BLE001 - whatever goes wrong, the request is refused
            gateway = self.wired.gateway
            no = Refuse(Reason.SERVER_ERROR, gateway.new_id(), type(bug).__name__, cause=bug)
            gateway.observe(Request("", "", Headers()), no)
            refusal = self.refusal(no)
        if refusal is not None:
            kong.response.exit(*write_refusal(refusal))

    def decide(self, kong: Any) -> Refusal | None:
        """The answer for the client, or None when the request may pass and Kong was told how."""
        asked = kong.request
        request = read_kong(
            asked.get_method(),
            asked.get_raw_path(),
            asked.get_raw_query(),
            asked.get_host(),
            asked.get_headers(MOST_HEADERS),
            kong.client.get_ip(),
        )
        serve = self.wired.settings.serve
        line = len(request.path) + len(request.query)
        large = too_large(line, request.headers, serve.max_headers, serve.max_header_bytes)
        request.problem = request.problem or large
        decision = finish(self.wired.gateway.decide(request))
        if isinstance(decision, Refuse):
            return self.refusal(decision)
        if not isinstance(decision, Allow):
            return Refusal(decision.status, decision.headers, b"")
        for name, arguments in write_allow(decision, request):
            reduce(getattr, name.split("."), kong)(*arguments)
        return None

    def refusal(self, refuse: Refuse) -> Refusal:
        """The answer for the client that *refuse* is."""
        return http_refusal(refuse, self.wired.settings.serve.realm, resource_metadata=self.wired.resource_metadata)
