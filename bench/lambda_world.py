"""What a Lambda function meets in `lambda_cold_start`: an authorization server over TLS, variables, events.

Rule: both sides have the same variables, events and authorities. Our function is the zip's content in a folder; the
authorities are its hashed folder for us, and for Node those that it has built in; the server's is one more of each.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import ssl
import subprocess
import sys
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path as File
from typing import Any, NamedTuple
from zipfile import ZipFile

from measure import Broken
from report import Run
from servers import environment

PEERS = File(__file__).parent / "peers"
ARN = "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/POST/orders/42"
ORIGIN, KID = "https://www.example.com", "k1"
KEY = os.urandom(32).hex()
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class Path(NamedTuple):
    """One kind of function: its peer, variables, the file of its events, and what the first puts into the context."""

    name: str
    peer: File
    environ: Mapping[str, str]
    events: File
    wanted: str


@contextmanager
def world(run: Run, warm: int) -> Iterator[tuple[list[Path], list[str]]]:
    """The paths, with *warm* events after the first one, and why others are left out."""
    certificate, key = _certificate(run.folder), _rsa_key()
    function = _function(run.folder, certificate)
    jwt = _signed(key, run.expires_at, "ann")
    with _server(certificate, jwt.encode(), key) as port:
        everywhere = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(function), *(one for one in sys.path if "site-packages" in one)]),
            "SSL_CERT_DIR": str(function / "ca"),
            "SSL_CERT_FILE": str(function / "ca" / "none"),
            "NODE_EXTRA_CA_CERTS": str(certificate),
        }

        def path(
            name: str, peer: File, variables: Mapping[str, str], events: list[dict[str, Any]], wanted: str
        ) -> Path:
            file = run.folder / f"{name}-events.json"
            file.write_text(json.dumps(events))
            return Path(name, peer, {**everywhere, **variables}, file, wanted)

        opaque = ["_0XBPWQQ_453276e9-6b2f-4a53-9a3b-5f1d6f8f0c11", *(f"token-{number}" for number in range(warm))]
        jwts = [_signed(key, run.expires_at, name) for name in ("ann", *(f"user-{number}" for number in range(warm)))]
        phantom = {
            "HOST": "localhost",
            "PORT": str(port),
            "INTROSPECTION_PATH": "/introspect",
            "CLIENT_ID": "gateway",
            "CLIENT_SECRET": "secret",
            "SCOPE": "read",
        }
        keys = {"JWKS_URI": f"https://localhost:{port}/jwks", "RESOURCE": "arn:aws:execute-api:eu-west-1:*:abc/*"}
        cookies = {
            "TRUSTED_WEB_ORIGINS": ORIGIN,
            "COOKIE_NAME_PREFIX": "example",
            "ENCRYPTION_KEY": KEY,
            "USE_PHANTOM_TOKEN": "false",
            "ALLOW_TOKEN": "false",
        }
        paths = [
            path("phantom", PEERS / "lambda_phantom.js", phantom, [_bearer(one) for one in opaque], f"Bearer {jwt}")
        ]
        skipped = []
        if (PEERS / "lambda_jwt" / "node_modules").is_dir():
            peer = PEERS / "lambda_jwt" / "lambda_jwt.js"
            paths.append(path("JWT", peer, keys, [_bearer(one) for one in jwts], f"Bearer {jwts[0]}"))
        else:
            skipped.append("no JWT path: npm ci --ignore-scripts --prefix bench/peers/lambda_jwt installs its peer")
        sessions = [_of_session(one) for one in jwts]
        paths.append(path("cookie", PEERS / "lambda_cookie.js", cookies, sessions, f"Bearer {jwts[0]}"))
        yield paths, skipped


def _function(folder: File, certificate: File) -> File:
    """What `phantomgate package` makes, unpacked: code, byte code, and a folder of authorities."""
    system = next((File(one) for one in BUNDLES if File(one).is_file()), None)
    bundle, archive, made = folder / "authorities.pem", folder / "function.zip", folder / "function"
    ours = certificate.read_text().partition("-----BEGIN PRIVATE")[0]
    bundle.write_text((system.read_text() if system else "") + ours)
    command = [sys.executable, "-m", "phantomgate", "package", "--ca", str(bundle), "--output", str(archive)]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"phantomgate package: {done.stderr}")
    with ZipFile(archive) as zipped:
        zipped.extractall(made)
    return made


@contextmanager
def _server(certificate: File, jwt: bytes, key: Any) -> Iterator[int]:
    """An authorization server over TLS that knows every token, and publishes its *key*; its port."""
    numbers = key.public_key().public_numbers()
    public = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID, "n": _number(numbers.n), "e": _number(numbers.e)}
    key_set = json.dumps({"keys": [public]}).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # as real servers do; without, each first answer waits 40 ms for an ACK

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(b"application/jwt", jwt)

        def do_GET(self) -> None:
            self._answer(b"application/json", key_set)

        def _answer(self, kind: bytes, body: bytes) -> None:
            head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
            self.wfile.write(head + body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield http.server_port
        finally:
            http.shutdown()
            thread.join()


def _bearer(token: str) -> dict[str, Any]:
    return {"type": "TOKEN", "methodArn": ARN, "authorizationToken": f"Bearer {token}"}


def _of_session(token: str) -> dict[str, Any]:
    """A POST by a page: both cookies, sealed in format v1, and the CSRF token once more in its header."""
    csrf = "1Qa2Ws3Ed4Rf5Tg6Yh7Uj8Ik9Ol0PzXc"
    cookies = f"example-at={_sealed(token)}; example-csrf={_sealed(csrf)}"
    headers = {"Host": "api.example.com", "cookie": cookies, "origin": ORIGIN, "x-example-csrf": csrf}
    return {
        "type": "REQUEST",
        "methodArn": ARN,
        "resource": "/orders/{id}",
        "path": "/orders/42",
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": {"httpMethod": "POST", "path": "/prod/orders/42", "stage": "prod"},
    }


def _sealed(text: str) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    iv = os.urandom(12)
    return _text(b"\x01" + iv + AESGCM(bytes.fromhex(KEY)).encrypt(iv, text.encode(), None))


def _rsa_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, 2048)


def _signed(key: Any, expires_at: int, sub: str) -> str:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    claims = {"iss": "https://as.example", "sub": sub, "scope": "read write", "exp": expires_at, "iat": 1}
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "at+jwt", "kid": KID}, claims)]
    text = ".".join(_text(part) for part in parts)
    return f"{text}.{_text(key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _certificate(folder: File) -> File:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "lambda.pem"
    path.write_bytes(signed.public_bytes(encoding) + private)
    return path
