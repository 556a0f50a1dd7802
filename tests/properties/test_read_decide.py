"""Which request is judged: from one family of fields or the path, never a mixture, never from somebody untrusted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phantomgate.adapters.forward_auth import read_decide, read_exchange
from phantomgate.core.model import Headers, Request

NAMES = {
    "original": ("X-Original-Method", "X-Original-URI", "X-Original-Host", "X-Original-Proto"),
    "forwarded": ("X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-Host", "X-Forwarded-Proto"),
}
SOURCES = ["auto", "original", "forwarded", "path"]
names = st.sampled_from([name for family in NAMES.values() for name in family])
values = st.sampled_from(["GET", "POST", "/a", "/b?c=/d", "", "x", "https", "?"])
fields = st.lists(st.tuples(names | names.map(str.lower), values), max_size=6)
targets = st.sampled_from(["", "/p", "/p?q=1", "?q=1", "/"])
methods = st.sampled_from(["GET", "POST", "DELETE"])


def read(
    source: str, method: str, target: str, pairs: list[tuple[str, str]], trusted: bool, reader=read_decide
) -> Request:
    return reader(source)(method.encode(), target.encode(), Headers.of(pairs), trusted, "peer")


def sent(pairs: list[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in pairs if key.lower() == name.lower()]


def named(pairs: list[tuple[str, str]], family: str) -> bool:
    """Whether the fields of *family* say anything about which request it is."""
    return any(sent(pairs, name) for name in NAMES[family][:2])


@given(st.sampled_from(SOURCES), methods, targets, fields, st.booleans())
def test_a_request_is_read_from_exactly_one_place_or_refused(source, method, target, pairs, trusted):
    request = read(source, method, target, pairs, trusted)
    if request.problem is not None:
        return
    path, _, query = target.partition("?")
    if (request.method, request.path, request.query) == (method, path, query) and source in ("auto", "path"):
        # from the path: nobody we trust named another request
        if source == "auto" and trusted:
            assert not named(pairs, "original") or family_says(request, pairs, "original")
            assert not named(pairs, "forwarded") or family_says(request, pairs, "forwarded")
        return
    assert trusted
    [family] = [one for one in NAMES if source in ("auto", one) and named(pairs, one)]
    assert family_says(request, pairs, family)
    if source == "auto":
        assert not target.startswith("/")


def family_says(request: Request, pairs: list[tuple[str, str]], family: str) -> bool:
    """Whether *family* names this request, completely and once."""
    values = [sent(pairs, name) for name in NAMES[family]]
    if any(len(value) > 1 for value in values) or not values[0] or not values[1]:
        return False
    path, _, query = values[1][0].partition("?")
    return (request.method, request.path, request.query) == (values[0][0], path, query) and bool(request.method)


@given(st.sampled_from(SOURCES), methods, targets, fields)
def test_nothing_that_an_untrusted_peer_sends_changes_what_is_judged(source, method, target, pairs):
    with_fields = read(source, method, target, pairs, trusted=False)
    without = read(source, method, target, [], trusted=False)
    assert (without.method, without.path, without.query) == (with_fields.method, with_fields.path, with_fields.query)
    assert (without.problem is None) == (with_fields.problem is None)
    assert ("", "") == (with_fields.host, with_fields.scheme)
    if source in ("original", "forwarded"):
        assert with_fields.problem is not None


@given(st.sampled_from(["original", "forwarded"]), methods, targets, fields)
def test_with_a_named_source_every_other_one_is_ignored(source, method, target, pairs):
    ours = [(name, value) for name, value in pairs if name.lower() in [one.lower() for one in NAMES[source]]]
    mixed, pure = read(source, method, target, pairs, trusted=True), read(source, method, "", ours, trusted=True)
    assert (pure.method, pure.path, pure.query, pure.host, pure.scheme) == (
        mixed.method, mixed.path, mixed.query, mixed.host, mixed.scheme
    )  # fmt: skip
    assert (pure.problem is None) == (mixed.problem is None)


@given(st.sampled_from(SOURCES), methods, fields, st.booleans())
def test_an_exchange_is_routed_only_by_fields_of_somebody_trusted(source, method, pairs, trusted):
    request = read(source, method, "", pairs, trusted, reader=read_exchange)
    if not trusted or not any(named(pairs, family) for family in NAMES):
        assert not request.routed
        assert request.problem is None
    elif request.problem is None:
        assert request.routed
        assert any(family_says(request, pairs, family) for family in NAMES)


tokens = st.sampled_from(
    [
        "close",
        "keep-alive",
        "Upgrade",
        "TE",
        "",
        " ",
        "Authorization",
        "authorization ",
        "X-User",
        "cookie",
        "HTTP2-Settings",
        "x",
    ]
)


@given(
    st.lists(st.lists(tokens, min_size=1, max_size=3).map(",".join), min_size=1, max_size=2),
    st.sampled_from(SOURCES[:1] + SOURCES[3:]),
)
def test_connection_names_what_is_of_one_hop_or_the_request_is_refused(connections, source):
    harmless = {"", "close", "keep-alive", "upgrade", "te", "http2-settings"}
    request = read(source, "GET", "/p", [("Connection", value) for value in connections], trusted=True)
    every = {token.strip().lower() for value in connections for token in value.split(",")}
    assert (every <= harmless) == (request.problem is None)
