"""What settings want installed is said as their problem, and only where they want it."""

from __future__ import annotations

import pytest

from phantomgate.config.installed import is_installed, not_installed
from phantomgate.config.loading import draft, read_sources

WANTING = [
    ("[agent]\nlisten = '127.0.0.1:9092'", "agent.listen", "uvicorn", "phantomgate[agent]"),
    ("[serve]\nprotocol = 'grpc'", "serve.protocol", "grpc", "phantomgate[grpc]"),
    ("[redis]\nnodes = ['127.0.0.1:6379']", "redis.nodes", "redis", "phantomgate[redis]"),
    (
        "[traces]\nendpoint = 'http://127.0.0.1:4318/v1/traces'",
        "traces.endpoint",
        "opentelemetry.exporter.otlp.proto.http",
        "phantomgate[otel]",
    ),
]


@pytest.fixture
def drafted(tmp_path):
    def settings(text):
        (tmp_path / "phantomgate.toml").write_text(text)
        return draft(read_sources(tmp_path / "phantomgate.toml", {}))[0]

    return settings


@pytest.mark.parametrize(("text", "setting", "module", "extra"), WANTING)
def test_a_library_that_is_not_there_is_a_problem_of_the_setting_that_wants_it(drafted, text, setting, module, extra):
    (problem,) = not_installed(drafted(text), lambda name: name != module)

    assert setting == problem.setting
    assert extra in problem.message
    assert problem.origin.endswith("phantomgate.toml")
    assert [] == not_installed(drafted(text), lambda _: True)


def test_nothing_is_wanted_by_settings_that_say_nothing_of_it(drafted):
    assert [] == not_installed(drafted(""), lambda _: False)


@pytest.mark.parametrize("name", ["json", "phantomgate.core"])
def test_what_is_installed_is_found(name):
    assert is_installed(name)


@pytest.mark.parametrize("name", ["no_such_library", "no_such.library.at.all"])
def test_what_is_not_installed_is_not_found(name):
    assert not is_installed(name)
