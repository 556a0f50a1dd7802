"""FWD: what the files of `phantomgate init` must say, each at its gateway, and what Envoy is told over gRPC."""

from __future__ import annotations

import re

import pytest

from attacks.cases import attack
from attacks.harness import BEARER, TOKEN, assert_refused, forwarded
from phantomgate.adapters import envoy
from phantomgate.adapters.protobuf import bytes_field, number_field, read_fields, read_one
from phantomgate.cli.main import main
from phantomgate.core.model import Allow, HeaderChange, Headers, Route, Token

UNTIL = 1_800_000_300
SETTINGS = """
[serve]
protocol = "{protocol}"
{source}
[introspection]
endpoint = "https://as.example/introspect"
client_id = "gateway"
client_secret = "env:SECRET"
timeout = "{timeout}"
[forward]
claims = {{ "X-User" = "sub" }}
"""


@pytest.fixture
def written(tmp_path):
    """The text of all that `init` writes for a gateway."""

    def write(gateway, *, protocol="http", source="", timeout="2s"):
        config, folder = tmp_path / "phantomgate.toml", tmp_path / "out"
        config.write_text(SETTINGS.format(protocol=protocol, source=source, timeout=timeout))
        assert 0 == main(["init", gateway, "--config", str(config), "--output", str(folder)], {})
        return "\n".join(file.read_text() for file in sorted(folder.rglob("*")) if file.is_file())

    return write


@attack("FWD-037")
def test_traefik_believes_nobody_and_is_believed_only_when_it_is_named(case, written, serve, authority):
    text = written("traefik", source='source = "forwarded"')
    asks = text.count("forwardAuth:")
    assert asks > 0
    assert ["false"] * asks == re.findall(r"trustForwardHeader: *(\w+)", text)

    authority.issue(TOKEN, sub="alice", exp=UNTIL)
    gate = serve(trusted=(), source="forwarded")
    assert_refused(gate.ask(BEARER, *forwarded("GET", "/", by="forwarded")), 400, "invalid_request")


@attack("FWD-041")
@pytest.mark.parametrize(("gateway", "protocol"), [("envoy", "http"), ("envoy-grpc", "grpc")])
@pytest.mark.parametrize("seconds", [2, 9])
def test_envoy_waits_longer_than_we_do_and_lets_nothing_pass_without_an_answer(
    case, written, gateway, protocol, seconds
):
    source = 'source = "path"' if protocol == "http" else ""
    text = written(gateway, protocol=protocol, source=source, timeout=f"{seconds}s")

    waits = [float(found) for found in re.findall(r"(?<!_)timeout: ([\d.]+)s", text)]
    assert waits
    assert min(waits) > seconds
    assert {"false"} == set(re.findall(r"failure_mode_allow: *(\w+)", text))


@attack("FWD-045")
def test_what_envoy_sends_upstream_replaces_and_look_alikes_are_removed(case):
    owned = frozenset(("authorization", "x-user"))
    change = HeaderChange((("Authorization", "Bearer a.b.c"), ("X-User", "ann")), owned, cookies=lambda headers: b"")
    allow = Allow(Token("a.b.c", {}, frozenset(), UNTIL, UNTIL), Route("all"), change)
    sent = Headers.of([("authorization", "Bearer opaque"), ("x-user", "admin"), ("x_user", "admin"), ("cookie", "s=1")])
    ok = list(read_fields(read_one(envoy.write_allow(allow, sent, envoy.write_upstream(change), b""), 3)))

    replaces = number_field(3, 2)  # OVERWRITE_IF_EXISTS_OR_ADD
    header = {name: bytes_field(1, bytes_field(1, name) + bytes_field(2, value)) for name, value in (
        ("authorization", "Bearer a.b.c"), ("x-user", "ann"))}  # fmt: skip
    options = [value for number, value in ok if number == 2]
    assert 2 == len(options)
    for option, expected in zip(options, header.values(), strict=True):
        assert option.startswith(expected + replaces)
    assert {b"x_user", b"cookie"} == {value for number, value in ok if number == 5}


@attack("FWD-047")
@pytest.mark.parametrize(("gateway", "protocol", "source"), [
    ("haproxy", "spop", ""), ("haproxy-lua", "http", 'source = "forwarded"')])  # fmt: skip
def test_haproxy_lets_nothing_pass_whose_answer_is_not_there(case, written, gateway, protocol, source):
    text = written(gateway, protocol=protocol, source=source)
    protected = text[text.index("# begin phantomgate") : text.index("# end phantomgate")]

    denial = re.search(r"^ *http-request return status 503 .* unless (.+)$", protected, re.MULTILINE)
    assert '{ var(txn.pg.status) -m int 200 } { var(txn.pg.authorization) -m beg "Bearer " }' == denial[1]
    assert "http-request allow" not in protected
    assert protected.index(denial[0]) < protected.index("http-request set-header")
