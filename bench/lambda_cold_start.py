"""A Lambda function from nothing to its first answer, beside a Node handler that does what the Node authorizer does.

Both are started in a process of their own, answer one TOKEN event by asking one local server over TLS, and then some
more with other tokens over the connection they kept. Time is the wall's, since waiting for a handshake is part of it,
so both take turns. The interpreter skips `site`, which on a machine of yours has nothing to do with Lambda.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from measure import Broken, Missing
from report import Floor, Report, Run

HERE = Path(__file__).parent
SOURCE = HERE.parent / "src"
EVENT = {
    "type": "TOKEN",
    "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/GET/orders/42",
    "authorizationToken": "Bearer _0XBPWQQ_453276e9-6b2f-4a53-9a3b-5f1d6f8f0c11",
}
SPAWNED, STARTED, WARM, CPU = "spawn to answer", "import and first answer", "warm answer", "CPU of a warm answer"


def lambda_cold_start(run: Run) -> Report:
    """Milliseconds from spawn to the first answer, of import and first answer, and of a warm one."""
    node = shutil.which("node")
    if not node:
        raise Missing("node is not installed")
    rounds, warm = (3, 5) if run.smoke else (max(15, run.rounds), 60)
    ways = {
        "phantomgate": [sys.executable, "-S", "-s", str(HERE / "peers" / "lambda_run.py")],
        "Node": [node, str(HERE / "peers" / "lambda_run.js"), str(HERE / "peers" / "lambda_phantom.js")],
    }
    found: dict[str, dict[str, list[float]]] = {who: {} for who in ways}
    with _server(run) as environ:
        for number in range(rounds + 1):
            for who in sorted(ways, reverse=bool(number % 2)):
                said = _once([*ways[who], json.dumps(EVENT), str(warm)], environ)
                if who == "phantomgate":  # measured by itself, as what the runtime imports first is not ours
                    said[STARTED] = _once([*ways[who], json.dumps(EVENT), "0", "preloaded"], environ)[STARTED]
                if number:  # the first round fills the disk's cache
                    for name, milliseconds in said.items():
                        found[who].setdefault(name, []).append(milliseconds)
    middle = {who: {name: statistics.median(laps) for name, laps in laps_of.items()} for who, laps_of in found.items()}
    ours, theirs = middle["phantomgate"], middle["Node"]
    ratios = {name: ours[name] / theirs[name] for name in ours}
    rows = [[name, f"{ours[name]:.1f}", f"{theirs[name]:.1f}", f"{ratios[name]:.2f}"] for name in ours]
    return Report(
        "lambda_cold_start",
        ["phantom token", "phantomgate ms", "Node ms", "ratio"],
        rows,
        floors=(
            Floor("phantom, spawn to answer / Node", ratios[SPAWNED], 0.75, at_most=True),
            Floor("phantom, import and first answer / Node", ratios[STARTED], 1.0, at_most=True),
            Floor("phantom, warm answer / Node", ratios[WARM], 0.60, at_most=True),
        ),
        notes=(
            "the Node handler checks no status, media type, expiry or signature, and keeps its connection",
            "the server is one Python thread a connection on the same machine, whose time is in both columns",
        ),
    )


def _once(command: list[str], environ: dict[str, str]) -> dict[str, float]:
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        spawned = (time.perf_counter() - began) * 1000
        rest = process.stdout.readline()
    said = json.loads(first or "{}")
    if said.get("principal") != "ann" or process.returncode:
        raise Broken(f"{command[0]} answered {first!r}")
    warm = {WARM: json.loads(rest)["warm"], CPU: json.loads(rest)["cpu"]} if rest else {}
    return {SPAWNED: spawned, STARTED: said["started"], **warm}


@contextmanager
def _server(run: Run) -> Iterator[dict[str, str]]:
    """An authorization server over TLS that knows every token; the variables of a function that asks it."""
    certificate = _certificate(run.folder)
    jwt = _jwt(run.expires_at)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/jwt\r\nContent-Length: %d\r\n\r\n%b" % (len(jwt), jwt)
            )

        def log_message(self, *_: object) -> None:
            """Quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SOURCE),
            "HOST": "localhost",
            "PORT": str(http.server_port),
            "INTROSPECTION_PATH": "/introspect",
            "CLIENT_ID": "gateway",
            "CLIENT_SECRET": "secret",
            "SCOPE": "read",
            "SSL_CERT_FILE": str(certificate),
            "NODE_EXTRA_CA_CERTS": str(certificate),
        }
        http.shutdown()
        thread.join()


def _jwt(expires_at: int) -> bytes:
    claims = {"iss": "https://as.example", "sub": "ann", "scope": "read write", "exp": expires_at, "iat": 1}
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "at+jwt", "kid": "k"}, claims)]
    return b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in [*parts, b"s" * 256])


def _certificate(folder: Path) -> Path:
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
