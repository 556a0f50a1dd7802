"""TLS is verified, or nothing is sent (RFC 7662 §4 asks for it; INT-037 and INT-038 of the attacks)."""

import ssl
from datetime import timedelta

import pytest

from certificates import DAY, Authority, only
from faults import FaultyServer, closes_at_once, good
from phantomgate.backends.blocking_http import BlockingHttp
from phantomgate.backends.nonblocking import AiohttpHttp
from phantomgate.backends.tls import client_context
from phantomgate.core.errors import Reason, Unavailable


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def trusting(make_client, authority):
    """A client that trusts our authority, and nobody else."""
    return make_client(ca_file=authority.ca_file)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_good_certificate_lets_calls_through_on_one_connection(trusting, authority, host, version):
    with FaultyServer(good, context=only(authority.server(host), version)) as server:
        url = f"https://{host}:{server.port}/introspect"

        assert [trusting.post(url).status for _ in range(3)] == [200] * 3
        assert (server.connections, len(server.requests)) == (1, 3)


UNTRUSTED = {
    "expired": lambda ours, theirs: ours.server("localhost", since=-2 * DAY, until=-timedelta(seconds=5)),
    "not yet valid": lambda ours, theirs: ours.server("localhost", since=timedelta(hours=1)),
    "self-signed": lambda ours, theirs: ours.server("localhost", self_signed=True),
    "another authority's": lambda ours, theirs: theirs.server("localhost"),
    "another host's": lambda ours, theirs: ours.server("as.example"),
    "for the address only": lambda ours, theirs: ours.server("127.0.0.1"),
    "a name below": lambda ours, theirs: ours.server("*.localhost", "a.localhost"),
    "a name that ends in NUL": lambda ours, theirs: ours.server("localhost\0.as.example"),
    "without any name": lambda ours, theirs: ours.server(),
    "TLS 1.0": lambda ours, theirs: only(ours.server("localhost"), ssl.TLSVersion.TLSv1),
    "TLS 1.1": lambda ours, theirs: only(ours.server("localhost"), ssl.TLSVersion.TLSv1_1),
}


@pytest.mark.parametrize("name", UNTRUSTED)
def test_nothing_is_sent_to_a_server_that_is_not_who_it_should_be(trusting, authority, tmp_path, name):
    context = UNTRUSTED[name](authority, Authority(tmp_path, "another"))
    with FaultyServer(good, context=context) as server:
        with pytest.raises(Unavailable, match="no TLS connection to https://localhost") as refused:
            trusting.post(f"https://localhost:{server.port}/introspect")

        assert refused.value.reason is Reason.UNAVAILABLE
        assert (server.connections, server.requests) == (1, [])


def test_an_address_needs_a_certificate_for_that_address(trusting, authority):
    with FaultyServer(good, context=authority.server("localhost", "127.0.0.2")) as server:
        with pytest.raises(Unavailable, match="no TLS connection to"):
            trusting.post(server.url)
        assert server.requests == []


def test_without_a_ca_file_our_authority_is_a_stranger(client, authority):
    with FaultyServer(good, context=authority.server("localhost")) as server:
        with pytest.raises(Unavailable, match="no TLS connection to"):
            client.post(f"https://localhost:{server.port}/")
        assert server.requests == []


def test_the_systems_own_setting_of_authorities_is_honoured(make_client, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", authority.ca_file)
    client = make_client()
    with FaultyServer(good, context=authority.server("localhost")) as server:
        assert client.post(f"https://localhost:{server.port}/").status == 200


def test_no_environment_variable_discloses_the_session_keys(make_client, authority, monkeypatch, tmp_path):
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    client = make_client(ca_file=authority.ca_file)
    with FaultyServer(good, context=authority.server("127.0.0.1")) as server:
        assert client.post(server.url).status == 200

    assert not keys.exists()


@pytest.mark.parametrize(("host", "named"), [("localhost", "localhost"), ("127.0.0.1", None)])
def test_the_server_is_told_the_name_that_is_meant(trusting, authority, host, named):
    """RFC 6066 §3: a name, and never an address."""
    context = authority.server("localhost", "127.0.0.1")
    seen = []
    context.sni_callback = lambda connection, name, context: seen.append(name)
    with FaultyServer(good, context=context) as server:
        trusting.post(f"https://{host}:{server.port}/")

    assert seen == [named]


def test_a_server_that_speaks_no_tls(trusting):
    with FaultyServer(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        with pytest.raises(Unavailable, match="connection to"):
            trusting.post(f"https://127.0.0.1:{server.port}/")
        assert server.requests == []


def test_a_server_that_closes_in_the_handshake(trusting):
    with FaultyServer(closes_at_once) as server, pytest.raises(Unavailable, match="connection to"):
        trusting.post(f"https://127.0.0.1:{server.port}/")


def test_a_handshake_that_never_ends(trusting):
    with (
        FaultyServer(lambda peer: peer.stall()) as server,
        pytest.raises(Unavailable, match=r"no whole answer within 0\.2 s"),
    ):
        trusting.post(f"https://127.0.0.1:{server.port}/", timeout=0.2)


def test_a_server_that_wants_a_certificate_of_ours(trusting, authority):
    context = authority.server("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca_file)
    with FaultyServer(good, context=context) as server:
        with pytest.raises(Unavailable):
            trusting.post(server.url)
        assert server.requests == []


def test_the_context_can_not_be_anything_but_strict(authority):
    context = client_context(authority.ca_file)

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("make", [BlockingHttp, AiohttpHttp])
def test_a_ca_file_that_is_not_there_is_noticed_at_once(make, tmp_path):
    with pytest.raises(OSError, match="No such file"):
        make(ca_file=str(tmp_path / "missing.pem"))
