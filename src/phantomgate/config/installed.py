"""Which libraries settings want besides those of every `serve`, and the extra that brings each.

Rule: what isn't there is a problem of the setting that wants it, said before anything is served.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem


def is_installed(module: str) -> bool:
    """Whether *module* could be imported; nothing of it is, but for the packages around it."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even these
        return False


def not_installed(settings: Settings, there: Callable[[str], bool] = is_installed) -> list[Problem]:
    """What *settings* want of `serve` that isn't *there*."""
    wanted = (
        ("agent.listen", settings.agent.listen, "uvicorn", "agent"),
        ("serve.protocol", settings.serve.protocol == "grpc", "grpc", "grpc"),
        ("redis.nodes", settings.redis.nodes, "redis", "redis"),
        ("traces.endpoint", settings.traces.endpoint, "opentelemetry.exporter.otlp.proto.http", "otel"),
    )
    return [
        Problem(setting, f"needs {module}, which isn't installed: {_pip(extra)}", settings.origin(setting))
        for setting, is_wanted, module, extra in wanted
        if is_wanted and not there(module)
    ]


def _pip(extra: str) -> str:
    return f"pip install 'phantomgate[{extra}]'"
