"""Secrets in AWS Secrets Manager and the Parameter Store: by the Lambda extension if it is there, else by their APIs.

Rule: what is read is returned and never kept, printed or repeated in an error, and AWS's own texts are not quoted. The
extension remembers secrets for minutes; port 0 in PARAMETERS_SECRETS_EXTENSION_HTTP_PORT goes past it. Nobody is waited
for past the Unix time in PHANTOMGATE_SECRETS_UNTIL.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from phantomgate.backends.aws_api import api_call, error_of, place_of
from phantomgate.backends.blocking import finish
from phantomgate.backends.blocking_http import BlockingHttp
from phantomgate.backends.secrets import UNTIL
from phantomgate.core.errors import Refused
from phantomgate.core.ports import Clock, Http, HttpCall, HttpReply
from phantomgate.oauth.form import form_value

EXTENSION_PORT = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"
_SERVICES = {
    "aws-sm": ("secretsmanager", "secretsmanager.GetSecretValue", "AWS_ENDPOINT_URL_SECRETS_MANAGER"),
    "aws-ssm": ("ssm", "AmazonSSM.GetParameter", "AWS_ENDPOINT_URL_SSM"),
}
_TIMEOUT = 3.0


def fetch(reference: str, environ: Mapping[str, str], *, http: Http | None = None, now: Clock = time.time) -> str:
    """The secret that "aws-sm:NAME#key" or "aws-ssm:NAME" refers to; without `#key`, all of its text.

    Raises ValueError, saying what to do, when it can't be had.
    """
    scheme, _, rest = reference.partition(":")
    name, _, key = rest.partition("#")
    ours = BlockingHttp() if http is None else http
    try:
        said = _from_extension(ours, scheme, name, environ, now)
        if said is None:
            said = _from_api(ours, scheme, name, environ, now)
    finally:
        if isinstance(ours, BlockingHttp):
            finish(ours.close())
    return _member(said, name, key) if key else said


def _from_extension(http: Http, scheme: str, name: str, environ: Mapping[str, str], now: Clock) -> str | None:
    """What the extension says, which listens on this machine where the function has its layer; None without it."""
    session, port = environ.get("AWS_SESSION_TOKEN", ""), environ.get(EXTENSION_PORT) or "2773"
    if not session or port == "0" or "AWS_LAMBDA_FUNCTION_NAME" not in environ:
        return None
    where = f"secretsmanager/get?secretId={form_value(name)}"
    if scheme == "aws-ssm":
        where = f"systemsmanager/parameters/get?name={form_value(name)}&withDecryption=true"
    call = HttpCall(
        "GET",
        f"http://localhost:{port}/{where}",
        headers=(("X-Aws-Parameters-Secrets-Token", session),),
        timeout=_timeout(name, environ, now),
    )
    try:
        return _text(finish(http.send(call)), scheme)
    except (Refused, ValueError):
        return None  # it is not there, not ready or not allowed to; the API says what is wrong


def _from_api(http: Http, scheme: str, name: str, environ: Mapping[str, str], now: Clock) -> str:
    service, target, own_url = _SERVICES[scheme]
    try:
        place = place_of(service, own_url, _region(name, environ), environ)
    except ValueError as no:
        raise ValueError(f'refers to "{name}" in AWS, {no}') from None
    asked = {"SecretId": name} if scheme == "aws-sm" else {"Name": name, "WithDecryption": True}
    call = api_call(place, target, asked, now(), timeout=_timeout(name, environ, now))
    try:
        return _text(finish(http.send(call)), scheme)
    except Refused as no:
        raise ValueError(f'refers to "{name}" in AWS, which can\'t be asked: {no.detail}') from None
    except ValueError as no:
        raise ValueError(f'refers to "{name}" in AWS, {no}') from None


def _timeout(name: str, environ: Mapping[str, str], now: Clock) -> float:
    """For how many seconds we may wait. Raises ValueError when there are none."""
    left = float(environ[UNTIL]) - now() if UNTIL in environ else _TIMEOUT
    if left <= 0:
        raise ValueError(f'refers to "{name}" in AWS, and no time is left to ask; give the function a longer Timeout')
    return min(left, _TIMEOUT)


def _region(name: str, environ: Mapping[str, str]) -> str:
    """Where it is: an ARN says so itself."""
    parts = name.split(":")
    return parts[3] if name.startswith("arn:") and len(parts) > 3 else environ.get("AWS_REGION", "")


def _text(reply: HttpReply, scheme: str) -> str:
    """The secret in *reply*, whose shape the extension and the API share. Raises ValueError with what was wrong."""
    if reply.status != 200:
        why = f"{reply.status} {_error_of(reply)}".rstrip()
        raise ValueError(f"which AWS refused ({why}); does the role allow it, is it there?")
    try:
        said = json.loads(reply.body)
        text = said["SecretString"] if scheme == "aws-sm" else said["Parameter"]["Value"]
    except (ValueError, KeyError, TypeError):
        raise ValueError("which is no text; keep it as text, not as binary") from None
    if not isinstance(text, str):
        raise ValueError("which is no text")
    return text


def _error_of(reply: HttpReply) -> str:
    try:
        return error_of(json.loads(reply.body))
    except ValueError:
        return ""


def _member(text: str, name: str, key: str) -> str:
    try:
        members: Any = json.loads(text)
    except ValueError:
        members = None
    value = members.get(key) if isinstance(members, dict) else None
    if not isinstance(value, str):
        raise ValueError(f'refers to "{name}" in AWS, which must be JSON with text under "{key}"')
    return value
