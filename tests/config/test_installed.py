"""What settings need and isn't installed is said before anything is served."""

from __future__ import annotations

import pytest

from phantomgate.config.installed import not_installed
from phantomgate.config.settings import Agent, Redis, Serve, Settings, Traces

NEEDS = [
    ("serve.protocol", Settings(serve=Serve(protocol="grpc")), "grpcio", "grpc"),
    ("agent.listen", Settings(agent=Agent(listen="127.0.0.1:9092")), "uvicorn", "agent"),
    ("redis.nodes", Settings(redis=Redis(nodes=("127.0.0.1:6379",))), "redis", "redis"),
    ("traces.endpoint", Settings(traces=Traces(endpoint="http://127.0.0.1:4318")), "OpenTelemetry", "otel"),
]


@pytest.mark.parametrize(("name", "settings", "library", "extra"), NEEDS)
def test_a_library_that_isnt_here_is_named_with_its_remedy(name, settings, library, extra):
    (problem,) = not_installed(settings, lambda module: False)
    assert (name, "default") == (problem.setting, problem.origin)
    assert f"needs {library}, which isn't installed: pip install 'phantomgate[{extra}]'" == problem.message


@pytest.mark.parametrize("settings", [one[1] for one in NEEDS])
def test_what_is_here_is_no_problem(settings):
    assert [] == not_installed(settings)


def test_what_isnt_needed_isnt_looked_for():
    assert [] == not_installed(Settings(), lambda module: False)


def test_the_parent_alone_isnt_all_of_it():
    (problem,) = not_installed(NEEDS[3][1], lambda module: "exporter" not in module)
    assert "traces.endpoint" == problem.setting
