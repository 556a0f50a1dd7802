"""Fields of one hop end there, and no client has one dropped that a request is judged by."""

from __future__ import annotations

import pytest

from phantomgate.adapters.forward_auth import read_decide, read_exchange
from phantomgate.adapters.hops import check_hops
from phantomgate.adapters.proxy import to_client, to_upstream
from phantomgate.core.errors import Reason
from phantomgate.core.model import HeaderChange, Headers, Request

OF_ONE_HOP = (
    "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer",
    "Transfer-Encoding", "Upgrade", "HTTP2-Settings",
)  # fmt: skip
JUDGED_BY = (
    "Authorization", "Proxy-Authorization", "Cookie", "Host",
    *(f"X-{family}-{part}" for family in ("Original", "Forwarded") for part in ("Method", "Uri", "Host", "Proto")),
)  # fmt: skip


def checked(*fields, we_drop=False):
    request = Request("GET", "/", Headers.of(fields))
    check_hops(request, we_drop=we_drop)
    return None if request.problem is None else request.problem.reason


@pytest.mark.parametrize("name", OF_ONE_HOP)
def test_a_field_of_one_hop_goes_no_further(name):
    request = Request("GET", "/", Headers.of([(name, "x"), ("X-Other", "y")]))
    there = {field.lower() for field, _ in to_upstream(request, HeaderChange((), frozenset(), "jwt"))}
    back = {field.lower() for field, _ in to_client([(name.encode(), b"x"), (b"X-Other", b"y")])}
    assert (False, True) == (name.lower() in there, "x-other" in there)
    assert {"x-other"} == back


@pytest.mark.parametrize("name", JUDGED_BY)
@pytest.mark.parametrize("we_drop", [True, False])
def test_what_is_judged_by_may_not_be_named_in_connection(name, we_drop):
    assert Reason.MALFORMED_REQUEST is checked(("Connection", name), we_drop=we_drop)
    assert Reason.MALFORMED_REQUEST is checked(("Connection", f"close , {name.upper()}"), we_drop=we_drop)


def test_what_a_second_connection_field_names_counts_too():
    assert Reason.MALFORMED_REQUEST is checked(("Connection", "close"), ("Connection", "X-User"))
    assert Reason.MALFORMED_REQUEST is checked(("Connection", "close"), ("Connection", "Cookie"), we_drop=True)


def test_what_we_drop_ourselves_may_be_named():
    assert checked(("Connection", "X-User"), we_drop=True) is None


@pytest.mark.parametrize(
    "name",
    ["", "close", "keep-alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings", "Proxy-Connection"],
)
def test_fields_of_one_hop_may_be_named(name):
    assert checked(("Connection", f"close, {name}")) is None


@pytest.mark.parametrize("read", [read_decide, read_exchange])
@pytest.mark.parametrize("source", ["auto", "original", "path"])
def test_an_upgrade_to_h2c_is_refused_whatever_connection_says(read, source):
    named = () if source == "path" else (("X-Original-Method", "GET"), ("X-Original-URI", "/"))
    headers = Headers.of((*named, ("Upgrade", "websocket"), ("Upgrade", "h2c")))
    problem = read(source)(b"GET", b"", headers, True, "127.0.0.1").problem
    assert problem is not None
    assert Reason.NO_ROUTE is problem.reason
