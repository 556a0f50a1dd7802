"""RFC 8705 §2: a server that asks for our certificate gets it, by both HTTP clients; without one it says no."""

import ssl

import pytest

from certificates import Authority
from faults import FaultyServer, good
from phantomgate.backends.tls import client_context
from phantomgate.core.errors import Unavailable


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def asking(authority):
    """A server that talks to nobody without a certificate of our authority."""
    context = authority.server("localhost")
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # 1.3 refuses after the handshake, in words that vary
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca_file)
    with FaultyServer(good, context=context) as server:
        yield server


@pytest.mark.parametrize("apart", [False, True], ids=["one file", "two files"])
def test_our_certificate_lets_us_in(make_client, authority, asking, tmp_path, apart):
    both = authority.issue("gateway")
    chain, key = both, ""
    if apart:
        text = both.read_text()
        begin = text.index("-----BEGIN PRIVATE KEY")
        chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
        chain.write_text(text[:begin])
        key.write_text(text[begin:])
    client = make_client(ca_file=authority.ca_file, certificate=(str(chain), str(key)))

    assert client.post(f"https://localhost:{asking.port}/").status == 200


def test_without_one_or_with_a_strangers_nothing_is_said(make_client, authority, asking, tmp_path):
    stranger = Authority(tmp_path, "stranger").issue("gateway")
    for certificate in (None, (str(stranger), "")):
        client = make_client(ca_file=authority.ca_file, certificate=certificate)
        with pytest.raises(Unavailable):
            client.post(f"https://localhost:{asking.port}/")
    assert asking.requests == []


def test_an_encrypted_key_is_an_error_and_no_question_at_the_terminal(tmp_path, authority):
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    text = authority.issue("gateway").read_bytes()
    begin = text.index(b"-----BEGIN PRIVATE KEY")
    key = load_pem_private_key(text[begin:], None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass"))
    both = tmp_path / "both.pem"
    both.write_bytes(text[:begin] + locked)

    with pytest.raises(ssl.SSLError):
        client_context(None, (str(both), ""))
