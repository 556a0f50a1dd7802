"""AWS Signature Version 4: a request to an AWS API that shows whose it is, by the standard library alone.

Rule: pure; only POST to `/` without a query, which is all that the JSON APIs of AWS need. The secret key goes into the
signature and nowhere else.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

from phantomgate.core.nouns import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whose a request is: of a role, with a session token."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def signed(
    credentials: Credentials, region: str, service: str, when: str, host: str, headers: Mapping[str, str], body: bytes
) -> dict[str, str]:
    """*headers* with what proves who sends them and *body* to *host*; *when* is UTC as `20150830T123600Z`."""
    sent = {**{name.lower(): value for name, value in headers.items()}, "host": host, "x-amz-date": when}
    if credentials.session_token:
        sent["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(sent))
    fields = "".join(f"{name}:{' '.join(sent[name].split())}\n" for name in sorted(sent))
    canonical = f"POST\n/\n\n{fields}\n{names}\n{sha256(body).hexdigest()}"
    scope = f"{when[:8]}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    sent["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    del sent["host"]  # the HTTP client writes it
    return sent
