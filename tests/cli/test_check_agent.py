"""`phantomgate check --agent`: the OAuth agent without a gateway beside it, and what it remembers by."""

from __future__ import annotations

import pytest

from agent.test_end_to_end import APP, ENVIRON, TOML
from phantomgate.cli.main import main
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from ports import free_port
from redis_servers import servers

SHARED = '[redis]\nnodes = ["127.0.0.1:%d"]\nsecret = "env:SHARED"\n'


@pytest.fixture(scope="module")
def issuer():
    client = Client("spa", "spa-secret", frozenset({"openid"}), (f"{APP}/",))
    with DevelopmentServer([client]).running_in_thread() as issuer:
        yield issuer


def check(folder, capsys, issuer, more="", *words: str):
    file = folder / "phantomgate.toml"
    file.write_text(TOML.format(app=APP, issuer=issuer, timeout="2s") + more)
    environ = {**ENVIRON, "SHARED": "a secret that machines share: 32 of it"}
    code = main(["check", *words, "--config", str(file)], environ)
    return code, *capsys.readouterr()


def test_an_agent_alone_is_good_by_itself_and_no_gateway(tmp_path, capsys, issuer):
    code, out, err = check(tmp_path, capsys, issuer, "", "--agent")
    assert (0, "") == (code, err)
    assert f"issuer agent: good, {issuer} answered in " in out
    code, _, err = check(tmp_path, capsys, issuer)
    assert 2 == code
    assert "introspection.endpoint" in err


def test_problems_are_2_and_nobody_is_asked(tmp_path, capsys):
    more = 'processes = 2\n[redis]\nnodes = ["127.0.0.1:1"]\nsecret = "env:NOWHERE"\n'
    code, _, err = check(tmp_path, capsys, "http://127.0.0.1:1", more, "--agent")
    assert 2 == code
    for piece in ("agent.processes", "or a state that they share", "redis.secret", "was not asked"):
        assert piece in err
    assert "introspection" not in err


def test_a_provider_or_a_store_that_is_not_there_is_1(tmp_path, capsys, issuer):
    assert 1 == check(tmp_path, capsys, f"http://127.0.0.1:{free_port()}", "", "--agent")[0]
    code, _, err = check(tmp_path, capsys, issuer, 'state = "redis"\n' + SHARED % free_port(), "--agent")
    assert 1 == code
    assert "the agent's state in Redis: ConnectionError" in err
    assert "See agent.state" in err


def test_a_store_that_evicts_is_1_and_one_that_keeps_is_0(tmp_path, capsys, issuer):
    with servers() as make:
        kept, evicts = make(), make("--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru")
        assert 0 == check(tmp_path, capsys, issuer, 'state = "redis"\n' + SHARED % kept.port, "--agent")[0]
        code, _, err = check(tmp_path, capsys, issuer, 'state = "redis"\n' + SHARED % evicts.port, "--agent")
    assert 1 == code
    assert "maxmemory-policy is volatile-lru" in err
