"""What a test asks of an authorization server that is not ours, in the words of the RFCs."""

from __future__ import annotations

import base64
import json
import urllib.request
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class AuthorizationServer:
    """A running one. It knows the client `service` (client credentials, scopes `read write`) and the client `gateway`
    (introspection); their secrets are `service-secret` and `gateway-secret`."""

    name: str
    version: str
    issuer: str
    token_endpoint: str
    introspection_endpoint: str
    revocation_endpoint: str

    def issue(self, scope: str = "read", **more: str) -> str:
        """A new access token (RFC 6749 §4.4); *more* goes into the request, as `resource` (RFC 8707)."""
        return self._token("service", grant_type="client_credentials", scope=scope, **more)

    def issue_to(self, user: str, scope: str = "read") -> str:
        """A user's new access token, by name and password at the client `app` (RFC 6749 §4.3), where there is one."""
        return self._token("app", grant_type="password", username=user, password=f"{user}-secret", scope=scope)

    def revoke(self, token: str) -> None:
        """RFC 7009."""
        status, said = self._post(self.revocation_endpoint, "service", token=token, token_type_hint="access_token")
        assert status == 200, said

    def rotate(self) -> None:
        """From now on the server signs with other keys, and publishes no others; only oidc-provider, as we start it."""
        with urllib.request.urlopen(urllib.request.Request(f"{self.issuer}/rotate", method="POST")) as said:
            assert said.status == 200

    def facts(self, token: str) -> dict[str, Any]:
        """What the server tells `gateway` about *token* in JSON (RFC 7662)."""
        status, said = self._post(self.introspection_endpoint, "gateway", token=token)
        assert status == 200, said
        facts: dict[str, Any] = json.loads(said)
        return facts

    def settings(self, **introspection: Any) -> str:
        """The `[introspection]` section of a phantomgate that asks this server."""
        values = {
            "endpoint": self.introspection_endpoint,
            "client_id": "gateway",
            "client_secret": "env:GATEWAY_SECRET",
            **introspection,
        }
        return "\n".join(["[introspection]", *(f"{name} = {json.dumps(value)}" for name, value in values.items()), ""])

    def _token(self, client: str, **form: str) -> str:
        status, said = self._post(self.token_endpoint, client, **form)
        assert status == 200, said
        token: str = json.loads(said)["access_token"]
        return token

    def _post(self, url: str, client: str, **form: str) -> tuple[int, bytes]:
        where = urlsplit(url)
        assert where.hostname
        assert where.port
        basic = base64.b64encode(f"{client}:{client}-secret".encode()).decode()
        connection = HTTPConnection(where.hostname, where.port, timeout=30)
        try:
            headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", where.path, urlencode(form), headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def issuer_in(log: Path) -> str:
    """The issuer that a server prints on a line of its own when it listens; empty as long as it hasn't."""
    lines = log.read_text(errors="replace").splitlines(keepends=True) if log.exists() else []
    return next((line.strip() for line in lines if line.startswith("http://") and line.endswith("\n")), "")
