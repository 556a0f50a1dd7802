"""What a test asks of an authorization server that is not ours, in the words of the RFCs."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class AuthorizationServer:
    """A running one. It knows the client `service` (client credentials, scopes `read write`) and the client `gateway`
    (introspection); their secrets are `service-secret` and `gateway-secret`."""

    issuer: str
    token_endpoint: str
    introspection_endpoint: str
    revocation_endpoint: str

    def issue(self, scope: str = "read") -> str:
        """A new access token (RFC 6749 §4.4)."""
        status, said = self._post(self.token_endpoint, grant_type="client_credentials", scope=scope)
        assert status == 200, said
        token: str = json.loads(said)["access_token"]
        return token

    def revoke(self, token: str) -> None:
        """RFC 7009."""
        status, said = self._post(self.revocation_endpoint, token=token, token_type_hint="access_token")
        assert status == 200, said

    def settings(self, **introspection: Any) -> str:
        """The `[introspection]` section of a phantomgate that asks this server."""
        values = {
            "endpoint": self.introspection_endpoint,
            "client_id": "gateway",
            "client_secret": "env:GATEWAY_SECRET",
            **introspection,
        }
        return "\n".join(["[introspection]", *(f"{name} = {json.dumps(value)}" for name, value in values.items()), ""])

    def _post(self, url: str, **form: str) -> tuple[int, bytes]:
        where = urlsplit(url)
        assert where.hostname
        assert where.port
        basic = base64.b64encode(b"service:service-secret").decode()
        connection = HTTPConnection(where.hostname, where.port, timeout=30)
        try:
            headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", where.path, urlencode(form), headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
