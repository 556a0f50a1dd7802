"""One HTTP request, written field by field, so that a test can send what no client library would."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A whole response. `headers` are (name in lower case, value), in order."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = field(repr=False)

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for found, value in self.headers if found == name]

    def one(self, name: str) -> str | None:
        """The only value of a field, or None."""
        values = self.all(name)
        assert len(values) <= 1, f"{len(values)} {name} fields: {values}"
        return values[0] if values else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int,
    path: str = "/",
    *fields: tuple[str, str | bytes],
    token: str | None = None,
    method: str = "GET",
    body: bytes | None = None,
    host: str = "api.example",
) -> Answer:
    """Ask 127.0.0.1:*port*; *fields* are sent as they are, in this order, after Host."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host)
        if token is not None:
            connection.putheader("Authorization", f"Bearer {token}")
        for name, value in fields:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        headers = [(name.lower(), value) for name, value in response.getheaders()]
        return Answer(response.status, headers, response.read())
    finally:
        connection.close()
