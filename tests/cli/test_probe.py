"""`phantomgate probe` as a command: what may be given and how, what is printed where, and the exit codes."""

from __future__ import annotations

import argparse
import io
import json

import pytest

from cli.probed import SECRET, TOKEN, Server, phantom, said, text_of
from issuing import ISS, metadata, signed
from phantomgate.cli.main import main
from phantomgate.cli.paint import painter
from phantomgate.cli.probe import add
from phantomgate.cli.probing.reading import read_given
from phantomgate.cli.probing.told import told
from phantomgate.cli.probing.words import CUT, WIDTH, as_text
from phantomgate.config.loading import Sources, load
from phantomgate.core.errors import SettingsError
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from phantomgate.testing import reply
from processes import python

CLIENT = ("--client-id", "gateway", "--client-secret", "env:CANARY")
ENVIRON = {"CANARY": SECRET, "TOKEN": TOKEN}


@pytest.fixture(scope="module")
def server():
    running = DevelopmentServer([Client("gateway", SECRET, introspects=True)])
    with running.running_in_thread():
        yield running


def probe(capsys, *words, environ=None):
    code = main(["probe", *words], ENVIRON if environ is None else environ)
    out, err = capsys.readouterr()
    for canary in (*ENVIRON.values(), *(environ or {}).values()):
        assert canary not in out + err
    return code, out, err


def test_what_works_is_0_with_settings_on_stdout_and_the_calls_on_stderr(server, capsys):
    token = server.issue("gateway", "read", subject="ann")
    code, out, err = probe(capsys, server.issuer, *CLIENT, "--token", "env:T", environ={"CANARY": SECRET, "T": token})
    pasted = load(Sources(out.split(CUT)[1].partition("\n")[2], "pasted", {}))
    assert (0, "jwt", "env:CANARY") == (code, pasted.introspection.answer, pasted.introspection.client_secret)
    assert f"POST {server.issuer}/introspect" in err
    assert "a made-up token, as gateway by basic; wants jwt" in err


def test_the_same_for_programs(server, capsys):
    token = server.issue("gateway", "read")
    words = (server.issuer, *CLIENT, "--token", "env:T", "--json")
    code, out, _ = probe(capsys, *words, environ={"CANARY": SECRET, "T": token})
    story = json.loads(out)
    assert (0, True, "application/jwt") == (code, story["works"], story["recommended"]["way"])
    assert "jwt" == load(Sources(story["settings"], "pasted", {})).introspection.answer


def test_a_token_comes_from_stdin(server):
    token = server.issue("gateway", "read")
    done = python(
        "-m", "phantomgate", "probe", server.issuer, *CLIENT, "--token", "-", stdin=f"{token}\n", CANARY=SECRET
    )
    assert (0, "a real token" in done.stdout, token in done.stdout + done.stderr) == (done.returncode, True, False)


def test_nothing_that_works_is_1_and_nothing_is_written(server, capsys, tmp_path):
    file = tmp_path / "phantomgate.toml"
    environ = {"CANARY": "another-secret-of-some-length"}
    code, out, err = probe(capsys, server.issuer, *CLIENT, "--write", str(file), environ=environ)
    assert (1, False, False) == (code, CUT in out, file.exists())
    assert "is not written" in err


def test_the_settings_are_written_once(server, capsys, tmp_path):
    file = tmp_path / "phantomgate.toml"
    code, out, _ = probe(capsys, server.issuer, *CLIENT, "--write", str(file))
    assert (0, file.read_text()) == (code, out.split(CUT)[1].partition("\n")[2])
    before = server.introspections
    code, out, err = probe(capsys, server.issuer, *CLIENT, "--write", str(file))
    assert (2, "", before, True) == (code, out, server.introspections, "is there already" in err)
    code, _, err = probe(capsys, server.issuer, *CLIENT, "--write", str(tmp_path / "no" / "where"))
    assert (2, True) == (code, "can't be written" in err)


def test_nothing_is_written_through_a_link_that_leads_nowhere_yet(server, capsys, tmp_path):
    file, target = tmp_path / "phantomgate.toml", tmp_path / "target"
    file.symlink_to(target)
    code, _, err = probe(capsys, server.issuer, *CLIENT, "--write", str(file))
    assert (2, True, False) == (code, "is there already" in err, target.exists())


@pytest.mark.parametrize(
    ("words", "piece"),
    [
        (("as.example",), "ISSUER"),
        (("http://as.example",), "is http"),
        (("https://as.example?x=1",), "has a query"),
        (("https://as.example/.well-known/openid-configuration",), "want the issuer itself"),
        ((ISS, *CLIENT, "--token", TOKEN), "--token"),
        ((ISS, *CLIENT, "--token", "env:NOWHERE"), "NOWHERE, which is not set"),
        ((ISS, *CLIENT, "--token", "env:EMPTY"), "which is empty"),
        ((ISS, *CLIENT, "--token", "env:SPACED"), "can't be sent as a Bearer token"),
        ((ISS, "--client-id", "gateway", "--client-secret", SECRET), "--client-secret"),
        ((ISS, "--client-id", "gateway", "--client-secret", "env:NOWHERE"), "not set"),
        ((ISS, "--client-id", "gateway"), "--client-secret or --client-key or --client-certificate"),
        ((ISS, "--client-secret", "env:CANARY"), "of no use without --client-id"),
        ((ISS, "--scope", "read"), "of no use without --grant"),
        ((ISS, *CLIENT, "--grant", "client_credentials", "--scope", "a  b"), "--scope"),
        ((ISS, *CLIENT, "--endpoint", "http://as.example/introspect"), "is http"),
        ((ISS, *CLIENT, "--keys", "http://as.example/keys"), "is http"),
        ((ISS, *CLIENT, "--keys", "file:/etc/passwd"), "is a file"),
        ((ISS, *CLIENT, "--endpoint-origin", "http://keys.example"), "is http"),
        ((ISS, *CLIENT, "--endpoint-origin", "https://keys.example/path"), "is no origin"),
        ((ISS, *CLIENT, "--timeout", "2"), "needs a unit"),
        ((ISS, *CLIENT, "--ca-file", "/nowhere.pem"), "--ca-file"),
        ((ISS, "--client-id", "gateway", "--client-certificate", "/nowhere.pem"), "--client-certificate"),
        ((ISS, *CLIENT, "--mint-key", "env:NOWHERE"), "--mint-key"),
        ((ISS, *CLIENT, "--decryption-key", "env:NOWHERE"), "--decryption-key"),
    ],
)
def test_a_command_line_that_can_not_be_used_is_2_and_repeats_no_secret(words, piece, capsys):
    environ = {**ENVIRON, "EMPTY": "", "SPACED": "with a-space-in-it"}
    code = main(["probe", *words], environ)
    out, err = capsys.readouterr()
    assert (2, "", True) == (code, out, piece in err), err
    assert SECRET not in err
    assert TOKEN not in err
    assert "a-space-in-it" not in err


@pytest.mark.parametrize("data", [b"", b"\n", b"\xff\xfe", b"two words", b"a" * 9000])
def test_a_token_from_stdin_that_is_none_is_a_problem(data):
    parser = argparse.ArgumentParser()
    add(parser)
    options = parser.parse_args([ISS, *CLIENT, "--token", "-"])
    with pytest.raises(SettingsError) as wrong:
        read_given(options, ENVIRON, lambda: data)
    assert ["--token"] == [problem.setting for problem in wrong.value.problems]


def test_every_problem_is_said_at_once(capsys):
    code, _, err = probe(capsys, "as.example", "--client-secret", "env:CANARY", "--timeout", "soon")
    assert (2, True) == (code, all(piece in err for piece in ("ISSUER", "--client-secret", "--timeout")))


def test_nobody_there_is_1(capsys):
    code, out, _ = probe(capsys, "http://127.0.0.1:9", *CLIENT)
    assert (1, True, True) == (code, "no connection to" in out, "is the authorization server up" in out)


def test_a_terminal_is_80_columns_wide_and_only_addresses_and_settings_are_longer():
    finding = Server(phantom, metadata(scopes_supported=["read"])).probe(token=TOKEN)
    report = text_of(finding).split(CUT)[0]
    long = [line for line in report.splitlines() if len(line) > WIDTH and "://" not in line]
    comments = [line for line in finding.settings.splitlines() if len(line) > WIDTH and "openssl" not in line]
    assert ([], []) == (long, comments)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("out", "environ", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_are_for_terminals_and_say_nothing_by_themselves(out, environ, coloured):
    finding = Server(phantom).probe(token=TOKEN)
    text = as_text(told(finding), painter(out, environ))
    assert coloured == ("\x1b[32m" in text)
    plain = text.replace("\x1b[0m", "")
    for code in ("1", "2", "31", "32"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert text_of(finding) == plain


def test_settings_can_be_pasted_from_a_terminal_with_colours():
    text = as_text(told(Server(phantom).probe(token=TOKEN)), painter(Terminal(), {}))
    assert "jwt" == load(Sources(text.split(CUT)[1].partition("\n")[2], "pasted", {})).introspection.answer


def test_an_exchange_and_par_are_seen():
    grants = ["urn:ietf:params:oauth:grant-type:token-exchange"]
    document = metadata(grant_types_supported=grants, pushed_authorization_request_endpoint=f"{ISS}/par")
    supports = told(Server(phantom, document).probe())["metadata"]["supports"]
    assert {
        "token exchange (RFC 8693)": True,
        "pushed requests (PAR, RFC 9126)": True,
        "signed introspection (RFC 9701)": False,
    } == supports


def test_a_certificate_goes_to_the_endpoint_for_certificates():
    document = metadata(
        mtls_endpoint_aliases={"introspection_endpoint": f"{ISS}/mtls/introspect"},
        introspection_endpoint_auth_methods_supported=["tls_client_auth"],
    )
    server = Server(phantom, document)
    finding = server.probe(client_secret="", certificate="/nowhere.pem")
    assert f"{ISS}/mtls/introspect" == finding.endpoint
    assert "client_certificate_file" in said(finding)  # the settings say that it is not there


def test_an_empty_set_of_keys_and_none_at_all_are_told():
    empty = reply(200, '{"keys": []}', content_type="application/json")
    assert "the set is empty" in text_of(Server(phantom, keys=empty).probe(token=TOKEN))
    assert "nothing says where they are" in text_of(Server(phantom, metadata(jwks_uri=None)).probe(token=signed()))
    assert "status 500" in said(Server(phantom, keys=reply(500)).probe()) or "answered 500" in said(
        Server(phantom, keys=reply(500)).probe()
    )


@pytest.mark.parametrize("there", [False, True])
def test_a_file_that_cant_be_written_is_said_before_anybody_is_asked(there, tmp_path, capsys):
    file = tmp_path / ("settings.toml" if there else "a" * 300)
    if there:
        file.symlink_to(tmp_path / "nowhere")
    assert 2 == main(["probe", "http://127.0.0.1:1", "--write", str(file)], {})
    said = capsys.readouterr()
    assert ("", True) == (said.out, ("is there already" if there else "File name too long") in said.err)
