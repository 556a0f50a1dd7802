"""What `phantomgate init` does alike for every gateway."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from phantomgate.cli.gateways import GATEWAYS, kind_of
from phantomgate.cli.gateways.kind import Facts
from phantomgate.cli.gateways.template import filled
from phantomgate.cli.main import main

DEPLOY = Path(__file__).parents[2] / "deploy"
REST = """
[introspection]
endpoint = "https://as.example/introspect"
client_id = "gateway"
client_secret = "env:SECRET"
"""
ROUTES = '[[routes]]\npath = "/**"\n'
CLAIMS = '[forward]\nclaims = { "X-Who" = "sub", "X-Client-Id" = "client_id" }\n'
SESSION = """
[session]
keys = ["env:KEY"]
trusted_web_origins = ["https://www.example.com"]
cookie_prefix = "example"
cors = true
"""
UNRUN = ("apisix", "kong", "istio", "envoy-gateway", "gloo", "azure-apim", "apigee")
"""Those that no test has run, and that say so."""
IN_CLUSTER = ["--decision", "phantomgate.phantomgate.svc.cluster.local:9090"]
SHIPPED = [
    ("nginx", "direct", [], "phantomgate.toml"),
    ("nginx", "cached", ["--cached"], "phantomgate.toml"),
    ("nginx", "cached-set-misc", ["--cached", "--hash", "set-misc"], "phantomgate.toml"),
    ("nginx", "session", [], "session.toml"),
    ("nginx", "spa", [], "spa.toml"),
    ("traefik", "bearer", [], "phantomgate.toml"),
    ("traefik", "session", [], "session.toml"),
    ("caddy", "bearer", [], "phantomgate.toml"),
    ("caddy", "session", [], "session.toml"),
    ("envoy", "bearer", [], "phantomgate.toml"),
    ("envoy", "session", [], "session.toml"),
    ("apache", "bearer", [], "phantomgate.toml"),
    ("apache", "session", [], "session.toml"),
    ("varnish", "bearer", [], "phantomgate.toml"),
    ("varnish", "session", [], "session.toml"),
    ("varnish", "websocket", ["--websocket"], "phantomgate.toml"),
    ("haproxy", "spoe", [], "phantomgate.toml"),
    ("haproxy", "session", [], "session.toml"),
    ("haproxy-lua", "lua", [], "phantomgate.toml"),
    ("envoy-grpc", "bearer", [], "phantomgate.toml"),
    *(
        (name, "bearer", IN_CLUSTER if name in ("istio", "envoy-gateway", "gloo") else [], "phantomgate.toml")
        for name in UNRUN
    ),
]
"""What stands in deploy/: (gateway, folder below deploy/GATEWAY, the options that write it, the settings beside it)."""

GUIDES = {"kong": "kong-functions"}
"""The pages in docs/how-to that aren't called as their gateway is."""

every_gateway = pytest.mark.parametrize("gateway", GATEWAYS)


def settings_for(gateway, more="", listen="127.0.0.1:9090"):
    """The settings that *gateway* wants, and *more*."""
    kind = kind_of(gateway)
    nginx = "nginx = true\n" if kind.nginx else ""
    nginx += "" if kind.protocol == "http" else f'protocol = "{kind.protocol}"\n'
    return f'[serve]\nlisten = "{listen}"\nallow_any_caller = true\nsource = "{kind.source}"\n{nginx}{REST}{more}'


def files_in(folder):
    """The files in and below *folder*, by their name there; settings that lie beside them are none of them."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.suffix != ".toml")
    return {str(file.relative_to(folder)): file.read_text() for file in files}


@pytest.fixture
def init(tmp_path):
    """Runs `init GATEWAY` on settings, into a folder; gives the exit code and the files by name."""

    def run(gateway, text, *options):
        config, folder = tmp_path / "phantomgate.toml", tmp_path / "out"
        config.write_text(text)
        code = main(["init", gateway, "--config", str(config), "--output", str(folder), *options], {})
        return code, files_in(folder)

    return run


@pytest.mark.parametrize(("gateway", "folder", "options", "settings"), SHIPPED)
def test_the_shipped_files_are_what_init_writes(tmp_path, capsys, gateway, folder, options, settings):
    config = str(DEPLOY / gateway / settings)
    assert 0 == main(["init", gateway, "--config", config, "--output", str(tmp_path), *options], {})
    assert files_in(DEPLOY / gateway / folder) == files_in(tmp_path)
    assert "write " not in capsys.readouterr().err  # no advice about the settings that we ship


@every_gateway
def test_every_gateway_is_shipped(gateway):
    assert gateway in {name for name, *_ in SHIPPED}


@every_gateway
@pytest.mark.parametrize("more", ["", ROUTES, CLAIMS, SESSION, CLAIMS + SESSION + ROUTES])
def test_nothing_of_a_template_is_left_and_every_file_is_marked(init, capsys, gateway, more):
    code, files = init(gateway, settings_for(gateway, more))
    said = capsys.readouterr().err
    if SESSION in more and not kind_of(gateway).sessions:
        assert (2, {}, True) == (code, files, "session.keys" in said)
        return
    assert (0, gateway in UNRUN) == (code, "configuration not run" in said)
    assert "write " not in said
    for text in files.values():
        assert kind_of(gateway).mark in text[:500]
        assert not re.search(r"@[a-z_]+@|^%|[ \t]$|\n\n\n|\n\n\Z", text, re.MULTILINE)


@pytest.mark.parametrize("gateway", ["azure-apim", "apigee"])
def test_what_is_xml_can_be_read_as_such(init, gateway):
    _, files = init(gateway, settings_for(gateway, CLAIMS))
    read = [ET.fromstring(text) for name, text in files.items() if name.endswith(".xml")]  # noqa: S314 - ours
    assert read


@every_gateway
def test_a_gateway_asks_where_it_is_told_to(init, gateway):
    code, files = init(gateway, settings_for(gateway), "--decision", "decision.example:9999")
    assert 0 == code
    said = "".join(files.values())
    assert re.search(r"decision\.example\b.*\b9999", said, re.DOTALL)
    assert "9090" not in said


@every_gateway
def test_every_claim_is_named_to_the_gateway(init, gateway):
    if kind_of(gateway).protocol == "grpc":
        return  # each answer names the headers itself
    _, files = init(gateway, settings_for(gateway, CLAIMS))
    _, without = init(gateway, settings_for(gateway))
    for name in ("x-who", "x-client-id"):
        assert name in "".join(files.values()).lower()
        assert name not in "".join(without.values()).lower()


@every_gateway
def test_check_sees_what_was_changed_and_writes_nothing(init, tmp_path, capsys, gateway):
    _, files = init(gateway, settings_for(gateway))
    assert 0 == init(gateway, settings_for(gateway), "--check")[0]
    (name, *_) = (name for name in files if name not in kind_of(gateway).own)
    (tmp_path / "out" / name).write_text("changed")
    code, after = init(gateway, settings_for(gateway), "--check")
    assert (2, "changed") == (code, after[name])
    assert f"{name}: differs" in capsys.readouterr().err


@every_gateway
def test_a_file_that_is_not_ours_is_left_alone(init, tmp_path, capsys, gateway):
    _, files = init(gateway, settings_for(gateway))
    for name in files:
        (tmp_path / "out" / name).unlink()
    name = min(files)
    (tmp_path / "out" / name).write_text("mine")
    assert (2, {name: "mine"}) == init(gateway, settings_for(gateway))
    assert "isn't ours" in capsys.readouterr().err


@every_gateway
@pytest.mark.parametrize(
    ("change", "options", "setting"),
    [
        (("", ""), ["--bind", "x y"], "--bind"),
        (("", ""), ["--api", '"; }'], "--api"),
        (("", ""), ["--decision", "{x}"], "--decision"),
        (("127.0.0.1:9090", "127.0.0.1:0"), [], "serve.listen"),
        (("127.0.0.1:9090", "unix:/run/a b;"), [], "serve.listen"),
        (("X-Who", "X_Who"), [], "forward.claims"),
    ],
)
def test_what_could_mean_something_else_to_a_gateway_is_a_problem(init, capsys, gateway, change, options, setting):
    code, files = init(gateway, settings_for(gateway, CLAIMS).replace(*change), *options)
    assert (2, {}) == (code, files)
    assert setting in capsys.readouterr().err


@every_gateway
def test_settings_that_say_otherwise_what_is_judged_are_a_problem(init, capsys, gateway):
    kind = kind_of(gateway)
    if kind.protocol != "http":
        assert (2, {}) == init(gateway, settings_for(gateway).replace(f'"{kind.protocol}"', '"http"'))
        assert f'write protocol = "{kind.protocol}"' in capsys.readouterr().err
        return
    other = next(source for source in ("original", "path") if source != kind.source)
    assert (2, {}) == init(gateway, settings_for(gateway).replace(f'"{kind.source}"', f'"{other}"'))
    assert f'write source = "{kind.source}"' in capsys.readouterr().err
    assert 0 == init(gateway, settings_for(gateway).replace(f'"{kind.source}"', '"auto"'))[0]
    assert f'write source = "{kind.source}"' in capsys.readouterr().err


@every_gateway
def test_a_unix_socket_is_for_gateways_that_can_ask_by_one(init, gateway):
    code, files = init(gateway, settings_for(gateway, listen="unix:/run/phantomgate/decide.sock"))
    unix = kind_of(gateway).unix
    assert (0 if unix else 2, unix) == (code, "/run/phantomgate/decide.sock" in "".join(files.values()))


@every_gateway
@pytest.mark.parametrize("option", ["--bind", "--api", "--decision"])
def test_an_address_is_a_host_and_a_port(init, capsys, gateway, option):
    if kind_of(gateway).plain:
        assert (2, {}) == init(gateway, settings_for(gateway), option, "only-a-name")
        assert option in capsys.readouterr().err


@every_gateway
def test_the_guides_settings_are_good_and_need_no_advice(init, capsys, gateway):
    guide = (DEPLOY.parent / "docs" / "how-to" / f"{GUIDES.get(gateway, gateway)}.md").read_text()
    assert 0 == init(gateway, guide.partition("cat > phantomgate.toml <<'END'\n")[2].partition("END\n")[0])[0]
    assert "write " not in capsys.readouterr().err


def test_a_template_is_its_values_and_what_its_words_say():
    facts = Facts({"yes": True, "no": False}, {"one": "1", "two": "a\n\nb", "none": ""})
    template = "x @one@\n%yes kept\n%no lost\n%yes %no lost\n%yes %yes both\n  @two@\n  @none@\n\nend @none@."
    assert "x 1\nkept\nboth\n  a\n\n  b\n\nend .\n" == filled(template, facts)


def test_what_a_template_has_no_value_for_is_an_error():
    with pytest.raises(KeyError):
        filled("@missing@ x", Facts())
    with pytest.raises(KeyError):
        filled("%missing x", Facts())
