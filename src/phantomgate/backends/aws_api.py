"""One call to a JSON API of AWS: where it is, by the environment, and signed.

Rule: pure; a secret key goes into a signature and nowhere else, and no call goes out in the clear.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from phantomgate.backends.http_request import split_url
from phantomgate.backends.sigv4 import Credentials, signed
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.ports import HttpCall
from phantomgate.oauth.urls import insecure


@dataclass(frozen=True, slots=True)
class Place:
    """An API of AWS, and whose our calls are. *media* is the version of its JSON."""

    service: str
    region: str
    url: str
    credentials: Credentials = field(repr=False)
    media: str = "1.1"


def place_of(service: str, own_url: str, region: str, environ: Mapping[str, str], media: str = "1.1") -> Place:
    """The API of *service*; *own_url* is the variable that may say that it is elsewhere.

    Raises ValueError, saying what to do, without credentials in *environ*, and for a place in the clear.
    """
    access_key, secret_key = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if not (region and access_key and secret_key):
        raise ValueError(
            "and there are no AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to ask with; Lambda sets them"
        )
    url = environ.get(own_url) or environ.get("AWS_ENDPOINT_URL") or f"https://{service}.{_domain(region)}"
    if insecure(url):
        raise ValueError("by an http endpoint, in the clear; write https:// in AWS_ENDPOINT_URL")
    return Place(service, region, url, Credentials(access_key, secret_key, environ.get("AWS_SESSION_TOKEN", "")), media)


def api_call(place: Place, target: str, asked: Mapping[str, object], now: float, *, timeout: float) -> HttpCall:
    """The call that asks *asked* of *target* at *place*, at Unix time *now*."""
    body = json.dumps(asked).encode()
    headers = {"Content-Type": f"application/x-amz-json-{place.media}", "X-Amz-Target": target}
    when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    host = split_url(place.url)[0].authority
    proof = signed(place.credentials, place.region, place.service, when, host, headers, body)
    return HttpCall("POST", place.url, headers=tuple(proof.items()), body=body, timeout=timeout)


def error_of(said: object) -> str:
    """The name of AWS's error, such as "ResourceNotFoundException": one word, none of its text; or nothing."""
    name = str(said.get("__type", "")).rpartition("#")[2] if isinstance(said, dict) else ""
    return name if name.isalnum() and len(name) <= 64 else ""


def _domain(region: str) -> str:
    return f"{region}.amazonaws.com.cn" if region.startswith("cn-") else f"{region}.amazonaws.com"
