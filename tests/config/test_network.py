"""Addresses, networks and URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.config.network import ADDRESS, NETWORKS, Address, insecure, is_loopback, read_address, url
from refusals import why_not

URL = url(query=True, want='a URL such as "https://as.example/"')
BARE = url(query=False, want='a URL such as "https://as.example/"')


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9090", Address("127.0.0.1", 9090)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:9090", Address("::1", 9090)),
        ("0.0.0.0:80", Address("0.0.0.0", 80)),  # noqa: S104 - it is only read
        ("localhost:9090", Address("localhost", 9090)),
        ("gate-1.internal:65535", Address("gate-1.internal", 65535)),
        ("unix:/run/phantomgate.sock", Address(unix="/run/phantomgate.sock")),
    ],
)
def test_an_address_is_a_host_and_port_or_a_unix_socket(text, address):
    assert address == read_address(text)
    assert text == ADDRESS.read(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "9090", ":9090", "*:9090", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:9090"),
        *("[::1]", "[::g]:1", "256.0.0.1:1", "127.1:80", "127.0.0.1:9090\n", "a b:1", "-a:1", "[127.0.0.1]:1", "é:1"),
        *("unix:", "unix:relative.sock", "unix:/run/", "unix:/a\0b", "unix:/" + "x" * 107, "http://127.0.0.1:9090"),
    ],
)
def test_what_is_no_address_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r'want (an address such as|"unix:" and an absolute path)'):
        ADDRESS.read(text)


def test_an_address_is_text():
    with pytest.raises(ValueError, match=r"is 9090; want an address"):
        ADDRESS.read(9090)


@pytest.mark.parametrize("text", ["127.0.0.1:1", "127.8.9.10:1", "[::1]:1", "localhost:1", "unix:/run/a.sock"])
def test_loopback_and_unix_sockets_are_local(text):
    assert read_address(text).local


@pytest.mark.parametrize("text", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "localhost.example:1", "[::ffff:10.0.0.1]:1"])
def test_everything_else_is_not_local(text):
    assert not read_address(text).local


@pytest.mark.parametrize("host", ["127.0.0.1.example", "localhost.", "", "0.0.0.0", "1270.0.0.1"])  # noqa: S104
def test_what_only_looks_like_loopback_is_not(host):
    assert not is_loopback(host)


def test_networks_are_kept_in_their_normal_form():
    assert NETWORKS.read(["10.0.0.0/8", "192.0.2.7", "FD00::/8", "::1"]) == (
        "10.0.0.0/8",
        "192.0.2.7/32",
        "fd00::/8",
        "::1/128",
    )


def test_nobody_may_be_trusted():
    assert NETWORKS.read([]) == ()


@pytest.mark.parametrize(
    "everybody",
    [
        ["0.0.0.0/0"],
        ["::/0"],
        ["10.0.0.0/8", "0.0.0.0/0"],
        ["0.0.0.0/1", "128.0.0.0/1"],
        ["::/1", "8000::/1"],
        ["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/2"],
        ["::ffff:0:0/96"],  # every IPv4 address, as a dual-stack socket shows it
        ["::/1"],
    ],
)
def test_networks_that_cover_every_address_are_refused_however_they_are_cut(everybody):
    with pytest.raises(ValueError, match=r"covers every address.*name your proxies"):
        NETWORKS.read(everybody)


def test_a_network_with_host_bits_is_told_its_network():
    with pytest.raises(ValueError, match=r'has "10.1.2.3/8"; want a network.*perhaps "10.0.0.0/8"'):
        NETWORKS.read(["10.1.2.3/8"])


@pytest.mark.parametrize("value", ["10.0.0.0/8", ["gateway"], [10], [""], {"a": 1}, None, ["10.0.0.0/33"]])
def test_what_is_no_list_of_networks_is_refused_with_an_example(value):
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/8"):
        NETWORKS.read(value)


def test_a_variable_holds_networks_with_commas():
    assert NETWORKS.read(NETWORKS.from_text("10.0.0.0/8, 192.0.2.0/24")) == ("10.0.0.0/8", "192.0.2.0/24")
    assert NETWORKS.read(NETWORKS.from_text("")) == ()


@pytest.mark.parametrize(
    "text", ["", "https://as.example/introspect", "http://127.0.0.1:1/x?tenant=1", "https://[::1]:8443/"]
)
def test_a_url_that_can_be_called_is_kept_as_it_is(text):
    assert text == URL.read(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("as.example/introspect", "can't be called"),
        ("ftp://as.example/", "can't be called"),
        ("https://", "can't be called"),
        ("https:///introspect", "can't be called"),
        ("https://as.example:0/", "can't be called"),
        ("https://as.example:99999/", "can't be called"),
        ("https://as example/", "can't be called"),
        ("https://as.example/\n", "can't be called"),
        ("https://äs.example/", "can't be called"),
        ("https://127.1/", "can't be called"),
        ("https://as.example/#part", "has a fragment"),
    ],
)
def test_a_url_that_cannot_be_called_is_refused_with_an_example(text, why):
    with pytest.raises(ValueError, match=f"{why}.*want a URL such as"):
        URL.read(text)


@pytest.mark.parametrize(
    "text", ["https://user:canary@as.example/", "https://canary@as.example/", "https://user:canary@/", "ftp://canary@x"]
)
def test_a_password_in_a_url_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match="user name or password") as no:
        URL.read(text)
    assert "canary" not in str(no.value)


def test_a_query_is_refused_where_it_would_be_lost():
    with pytest.raises(ValueError, match="has a query"):
        BARE.read("https://api.example/?a=1")


@pytest.mark.parametrize(
    ("text", "clear"),
    [
        ("http://as.example/", True),
        ("http://10.0.0.1/", True),
        ("http://localhost.example/", True),
        ("http://localhost:8080/", False),
        ("http://127.0.0.1/", False),
        ("http://[::1]/", False),
        ("https://as.example/", False),
    ],
)
def test_http_is_insecure_beyond_this_machine(text, clear):
    assert clear is insecure(text)


@given(st.one_of(st.text(), st.integers(), st.lists(st.text(), max_size=3)))
def test_reading_gives_a_value_or_a_value_error(value):
    for kind in (ADDRESS, NETWORKS, URL, BARE):
        for one in (value, f"https://{value}", f"unix:{value}", [f"{value}/8"]):
            assert why_not(kind.read, one) != ""
