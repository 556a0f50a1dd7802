"""Which libraries settings need to be served, and whether they are here.

Rule: nothing is imported to find out. What isn't here is said before a worker that can't do without is started.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem

_NEEDED: tuple[tuple[str, Callable[[Settings], object], str, tuple[str, ...], str], ...] = (
    ("serve.protocol", lambda one: one.serve.protocol == "grpc", "grpcio", ("grpc",), "grpc"),
    ("agent.listen", lambda one: one.agent.listen, "uvicorn", ("uvicorn",), "agent"),
    ("redis.nodes", lambda one: one.redis.nodes, "redis", ("redis",), "redis"),
    (
        "traces.endpoint",
        lambda one: one.traces.endpoint,
        "OpenTelemetry",
        ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http"),
        "otel",
    ),
)
"""(the setting, when it needs what, what that is called, its modules, the extra that brings it)."""


def not_installed(settings: Settings, is_here: Callable[[str], bool] | None = None) -> list[Problem]:
    """What *settings* need and isn't installed; *is_here* tells of a module, by its name."""
    is_here = is_here or _is_here
    return [
        Problem(
            name, f"needs {library}, which isn't installed: pip install 'phantomgate[{extra}]'", settings.origin(name)
        )
        for name, needs, library, modules, extra in _NEEDED
        if needs(settings) and not all(map(is_here, modules))
    ]


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor what it is a part of
        return False
