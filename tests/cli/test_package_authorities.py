"""The folder of certificate authorities: OpenSSL finds in it what it finds in the bundle."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from phantomgate.cli.main import main
from phantomgate.cli.packaging.authorities import folder_of
from phantomgate.cli.packaging.subject_hash import subject_hash

BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@pytest.mark.skipif(not (BUNDLE.is_file() and shutil.which("openssl")), reason="needs openssl and a system's bundle")
def test_files_are_called_as_openssl_calls_them(tmp_path):
    folder = folder_of(BUNDLE.read_text())
    assert len(folder) > 50
    for name, pem in folder.items():
        command = ["openssl", "x509", "-noout", "-subject_hash"]
        said = subprocess.run(command, input=pem, capture_output=True, check=True).stdout.decode().strip()
        assert said == name.partition(".")[0]


def certificate(name: str) -> str:
    """A self-signed certificate with a subject of every kind of blank and case."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding

    key = ed25519.Ed25519PrivateKey.generate()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = builder.serial_number(7).not_valid_before(start).not_valid_after(start + timedelta(days=9000))
    return builder.sign(key, None).public_bytes(Encoding.PEM).decode()


def test_subjects_that_openssl_thinks_equal_share_a_name_and_are_numbered():
    one, two = certificate("Ünser  Root CA "), certificate("Ünser root ca")
    names = sorted(folder_of(one + two))
    assert [f"{subject_hash(ssl.PEM_cert_to_DER_cert(one))}.{number}" for number in (0, 1)] == names
    assert folder_of(one + two) == folder_of(two + one)


def test_openssl_trusts_what_is_in_the_folder_and_loads_nothing_before_it_is_asked(tmp_path):
    for name, pem in folder_of(certificate("Root")).items():
        (tmp_path / name).write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(capath=str(tmp_path))
    assert [] == context.get_ca_certs()


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(tmp_path, monkeypatch, capsys, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").write_text(text)
    assert 2 == main(["package", "--ca", "ca.pem"], {})
    assert "--ca" in capsys.readouterr().err
    assert ["ca.pem"] == [one.name for one in tmp_path.iterdir()]


def test_a_bundle_becomes_the_folder_ca(tmp_path, monkeypatch):
    from zipfile import ZipFile

    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").write_text(certificate("Root"))
    assert 0 == main(["package", "--ca", "ca.pem"], {})
    with ZipFile("phantomgate-lambda.zip") as archive:
        assert 1 == len([name for name in archive.namelist() if name.startswith("ca/")])
