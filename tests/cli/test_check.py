"""`phantomgate check`: everything that is wrong, at once, with its remedy and the exit code that says whose it is."""

from __future__ import annotations

import json
import socket

import pytest

from loopback_server import SECRET, active
from phantomgate.cli.main import main
from processes import python
from redis_servers import servers
from sealed import KEY


def check(environ, capsys, *words: str) -> tuple[int, str, str]:
    code = main(["check", *words], environ)
    out, err = capsys.readouterr()
    assert SECRET not in out + err
    return code, out, err


def test_good_settings_and_a_good_server_are_0(server, capsys):
    code, out, err = check(server.environ(), capsys)
    assert (code, err) == (0, "")
    assert "settings: good (environment)" in out
    assert f"authorization server: good, {server.endpoint} answered in " in out
    assert len(server.asked) == 1


def test_the_same_for_programs(server, capsys):
    code, out, err = check(server.environ(), capsys, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["good"] is True
    assert found["settings"] == {"origin": "environment", "problems": []}
    assert found["authorization_server"]["endpoint"] == server.endpoint


def test_problems_are_2_all_at_once_and_nobody_is_asked(server, capsys):
    environ = server.environ(PHANTOMGATE__SERVE__WORKERS="two", PHANTOMGATE__LOG__LEVLE="info")
    del environ["CANARY"]
    code, out, err = check(environ, capsys)
    assert (code, out) == (2, "")
    assert "3 problems in the settings" in err
    for piece in ("serve.workers", "PHANTOMGATE__LOG__LEVLE", "the variable CANARY, which is not set", "was not asked"):
        assert piece in err
    assert server.asked == []


def test_problems_for_programs_are_on_stdout_and_2(server, capsys):
    code, out, err = check(server.environ(PHANTOMGATE__SERVE__WORKERS="0"), capsys, "--json")
    found = json.loads(out)
    assert (code, err, found["good"], found["authorization_server"]) == (2, "", False, None)
    [problem] = found["settings"]["problems"]
    assert (problem["setting"], problem["origin"]) == ("serve.workers", "PHANTOMGATE__SERVE__WORKERS")


def test_a_file_that_is_not_there_is_2(capsys, tmp_path):
    code, out, err = check({}, capsys, "--config", str(tmp_path / "none.toml"))
    assert (code, out) == (2, "")
    assert "can't be read: No such file" in err
    assert json.loads(check({}, capsys, "--config", str(tmp_path / "none.toml"), "--json")[1])["good"] is False


def test_a_secret_in_the_settings_is_2_and_not_shown(server, capsys):
    code, _, err = check(server.environ(PHANTOMGATE__INTROSPECTION__CLIENT_SECRET=SECRET), capsys)
    assert code == 2
    assert "introspection.client_secret" in err


def test_warnings_are_told_and_are_0(server, capsys):
    code, _, err = check(server.environ(PHANTOMGATE__POLICY__SCOPES=""), capsys)
    assert code == 0
    assert "warning: policy.scopes is empty" in err
    assert json.loads(check(server.environ(PHANTOMGATE__POLICY__SCOPES=""), capsys, "--json")[1])["warnings"]


@pytest.mark.parametrize(
    ("answer", "pieces"),
    [
        ((401, "", ""), ["refused our client (401)", "client_secret"]),
        ((404, "", ""), ["status 404, want 200", "check its path"]),
        ((302, "", ""), ["status 302, want 200", "redirects"]),
        ((500, "", ""), ["answered 500", "its log"]),
        ((200, "text/html", "<html>"), ["Content-Type is text/html", "introspection endpoint"]),
        ((200, "application/json", "{}"), ["`active` is not a boolean"]),
        ((200, "application/json", '{"active": true}'), ["no JWT", 'answer = "jwt"']),
    ],
)
def test_a_server_that_does_not_answer_as_it_should_is_1_with_what_to_do(server, capsys, answer, pieces):
    server.answer = lambda form: answer
    code, out, err = check(server.environ(), capsys)
    assert code == 1
    assert "settings: good" in out
    told = " ".join(err.split())  # the remedy is filled
    for piece in pieces:
        assert piece in told
    found = json.loads(check(server.environ(), capsys, "--json")[1])["authorization_server"]
    assert (found["good"], found["detail"] in err, found["remedy"] in told) == (False, True, True)
    assert max(len(line) for line in err.splitlines() if line.startswith("  ")) <= 80


def test_a_server_that_calls_every_token_active_is_1(server, capsys):
    server.answer = lambda form: active()
    code, _, err = check(server.environ(), capsys)
    assert code == 1
    assert "calls a token active that it never issued" in err


def test_nobody_at_the_endpoint_is_1(server, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        code, _, err = check(server.environ(PHANTOMGATE__INTROSPECTION__ENDPOINT=endpoint), capsys)
    assert code == 1
    assert "no connection to" in err
    assert "is the authorization server up" in err


def test_tls_where_none_is_spoken_is_1(server, capsys):
    endpoint = server.endpoint.replace("http:", "https:")
    code, _, err = check(server.environ(PHANTOMGATE__INTROSPECTION__ENDPOINT=endpoint), capsys)
    assert code == 1
    assert "TLS is not spoken at this port" in err


def test_a_query_of_the_endpoint_is_not_shown(server, capsys):
    endpoint = f"{server.endpoint}?key={SECRET}"
    assert check(server.environ(PHANTOMGATE__INTROSPECTION__ENDPOINT=endpoint), capsys)[0] == 0


def test_the_shell_gets_the_code_and_both_streams(server):
    server.answer = lambda form: (401, "", "")
    done = python("-m", "phantomgate", "check", **server.environ())
    assert (done.returncode, "settings: good" in done.stdout, "refused our client" in done.stderr) == (1, True, True)
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("there", [True, False])
def test_the_shared_store_is_greeted_too(server, capsys, there):
    with servers() as make:
        port = make().port if there else 1
        shared = {"PHANTOMGATE__REDIS__NODES": f"127.0.0.1:{port}", "PHANTOMGATE__REDIS__SECRET": "env:SHARED"}
        code, out, err = check(server.environ(SHARED="x" * 32, **shared), capsys)
        assert (0 if there else 1) == code
        assert there == (f"shared store: good, 127.0.0.1:{port} answered in " in out)
        assert there != ("Requests are decided without it" in err)
        found = json.loads(check(server.environ(SHARED="x" * 32, **shared), capsys, "--json")[1])
        assert (there, there) == (found["good"], found["shared_store"]["good"])


REVOKED = "revoked tokens: let in for at most 300 s"
TOLD = {"PHANTOMGATE__REVOCATION__SECRET": "env:PURGE", "PURGE": "x" * 32}


@pytest.mark.parametrize(
    ("downstream", "told", "text"),
    [
        ("true", {}, "; a gateway that remembers decisions as long as we say adds nothing\n"),
        (
            "true",
            TOLD,
            ", or until we are told at [revocation]; a gateway that remembers decisions isn't told: there for at most \
300 s\n",
        ),
        ("false", {}, "\n"),
        ("false", TOLD, ", or until we are told at [revocation]\n"),
    ],
)
def test_how_long_a_revoked_token_is_let_in_is_said(server, capsys, downstream, told, text):
    assert REVOKED + text in check(server.environ(PHANTOMGATE__CACHE__DOWNSTREAM=downstream, **told), capsys)[1]


def test_a_library_that_serve_would_lack_is_a_problem_before_it_does(server):
    code = (
        "import sys; sys.modules['opentelemetry'] = None;"
        "from phantomgate.cli.main import main; sys.exit(main(['check']))"
    )
    run = python("-c", code, **server.environ(PHANTOMGATE__TRACES__ENDPOINT="http://127.0.0.1:4318/v1/traces"))

    assert 2 == run.returncode
    assert "traces.endpoint  needs OpenTelemetry, which isn't installed: pip install 'phantomgate[otel]'" in run.stderr


def test_where_nobody_is_asked_good_settings_are_good(capsys):
    """Sealed tokens go upstream as they are, and no server is named."""
    sealed = {
        "PHANTOMGATE__AWS__FORWARD_SEALED": "true",
        "PHANTOMGATE__AWS__CACHE_TTL": "0s",
        "PHANTOMGATE__SESSION__KEYS": "env:KEY",
        "PHANTOMGATE__SESSION__TRUSTED_WEB_ORIGINS": "https://www.example.com",
        "KEY": KEY,
    }
    assert 0 == main(["check"], sealed)
    out, err = capsys.readouterr()
    assert "authorization server: none" in out
    assert "mend the settings" not in err
