"""Headers, cookies and the query of an AWS event, as one request has them.

Rule: nothing is lost that could matter. A field that came twice, under two spellings of its name, or differently in
`headers` and `multiValueHeaders`, is here twice, for the engine to refuse. The console's test button sends null for
whatever is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers
from phantomgate.oauth.form import form_value


def read_fields(event: Mapping[str, Any]) -> Headers:
    """The header fields of *event*. Raises Refused(MALFORMED_REQUEST) for what is no text."""
    headers = Headers()
    for name, value in _several(event.get("multiValueHeaders")):
        headers.add(_bytes(name), _bytes(value))
    for name, value in _each(event.get("headers")):
        field = _bytes(name).lower()
        if _bytes(value) not in headers.all(field):  # `headers` holds the last value of each once more
            headers.add(field, _bytes(value))
    cookies = event.get("cookies")
    if isinstance(cookies, list) and cookies:  # payload 2.0 takes them out of the headers
        together = b"; ".join(_bytes(cookie) for cookie in cookies)
        if not of_url(event) or _parts(together) not in map(_parts, headers.all(b"cookie")):
            headers.add(b"cookie", together)
    return headers


def of_url(event: Mapping[str, Any]) -> bool:
    """Whether *event* is a Function URL's, which lists cookies and leaves them in the headers too."""
    context = event.get("requestContext")
    return isinstance(context, dict) and ".lambda-url." in str(context.get("domainName"))


def _parts(cookies: bytes) -> list[bytes]:
    return [part.strip(b" ") for part in cookies.split(b";")]


def read_query(event: Mapping[str, Any]) -> str:
    """The query of *event*; of one that is already taken apart, the names alone, since values may be secrets."""
    raw = event.get("rawQueryString")
    if isinstance(raw, str):
        return raw
    names = [name for name, _ in _each(event.get("queryStringParameters"))]
    names += [name for name, _ in _several(event.get("multiValueQueryStringParameters"))]
    return "&".join(f"{form_value(name)}=" for name in dict.fromkeys(names))


def _several(fields: object) -> Iterator[tuple[str, object]]:
    for name, values in _each(fields):
        if not isinstance(values, list):
            raise Refused(Reason.MALFORMED_REQUEST, "a field with several values that are no list")
        yield from ((name, value) for value in values)


def _each(fields: object) -> Iterator[tuple[str, Any]]:
    if fields is None:
        return
    if not isinstance(fields, dict):
        raise Refused(Reason.MALFORMED_REQUEST, f"fields are a {type(fields).__name__}, want an object")
    yield from fields.items()


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise Refused(Reason.MALFORMED_REQUEST, f"a field holds a {type(text).__name__}, want text")
    return text.encode("utf-8", "replace")
