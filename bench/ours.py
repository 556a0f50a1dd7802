"""phantomgate as it is run in production, for the benchmarks: the real command, every feature on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from servers import Server, answers, free_port, python, serving
from tokens import jwt_for, subject, token

CLIENT_ID = "api-gateway"
CLIENT_SECRET = "bench-only-secret"

ASKED = {
    "X-Original-Method": "GET",
    "X-Original-URI": "/orders/17?page=2",
    "Host": "api.example.com",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "application/json",
}
"""What nginx's auth_request sends along with Authorization."""

SETTINGS = """\
[serve]
listen = "{listen}"
manage = "127.0.0.1:{manage}"
workers = {workers}
{asked_by}

[introspection]
endpoint = "http://127.0.0.1:{introspection}/introspect"
client_id = "{client_id}"
client_secret = "env:BENCH_SECRET"

[cache]
max_age = "1h"
max_entries = {entries}
max_bytes = "{megabytes}MiB"

[policy]
scopes = ["read"]

[[routes]]
path = "/orders/**"
methods = ["POST", "PUT"]
scopes = ["orders:write"]

[[routes]]
path = "/orders/**"
scopes = ["orders:read"]

[forward]
claims = {{ "X-User" = "sub" }}
"""


@contextmanager
def stub(folder: Path, expires_at: int) -> Iterator[Server]:
    """The stub authorization server."""
    port = free_port()
    argv = python(str(Path(__file__).with_name("stub_as.py")), str(port), str(expires_at), CLIENT_ID, CLIENT_SECRET)
    with serving(f"stub {port}", argv, port=port, folder=folder, ready=lambda: answers(port)) as server:
        yield server


@contextmanager
def phantomgate(
    folder: Path,
    introspection: int,
    *,
    listen: str = "",
    entries: int = 1_000_000,
    megabytes: int = 512,
    nginx: bool = False,
    asked_by: str = "",
    workers: int = 1,
    more: str = "",
    secrets: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """`phantomgate serve` on *listen* (default: a loopback port), asking the server at port *introspection*.

    *asked_by* are the lines of `[serve]` that say how it is asked; default: as nginx does. *more* are other sections,
    whose *secrets* are in the environment.
    """
    port, manage = free_port(), free_port()
    listen = listen or f"127.0.0.1:{port}"
    settings = folder / f"phantomgate-{port}.toml"
    settings.write_text(
        SETTINGS.format(
            listen=listen,
            manage=manage,
            introspection=introspection,
            client_id=CLIENT_ID,
            entries=entries,
            megabytes=megabytes,
            workers=workers,
            asked_by=asked_by or f'source = "original"\nnginx = {str(nginx).lower()}',
        )
        + more
    )
    argv = python("-m", "phantomgate", "serve", "--config", str(settings))
    with serving(
        f"phantomgate {port}", argv, port=port, folder=folder, env={"BENCH_SECRET": CLIENT_SECRET, **(secrets or {})},
        ready=lambda: answers(manage, "/readyz", status=200),
    ) as server:  # fmt: skip
        yield server


def asked_for(number: int) -> Mapping[str, str]:
    """The headers of a request with token *number*."""
    return {**ASKED, "Authorization": f"Bearer {token(number)}"}


def allowed(number: int, expires_at: int) -> Mapping[str, str]:
    """The headers that a right answer for token *number* has."""
    opaque = token(number)
    return {"authorization": f"Bearer {jwt_for(opaque, expires_at)}", "x-user": subject(opaque)}
