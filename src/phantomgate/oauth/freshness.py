"""RFC 9111: how long the authorization server lets us remember its answer.

We are a private cache with an explicit question, so `private` and `s-maxage` mean nothing to the memory of a process,
and whatever can't be understood means "don't remember". What is `private` isn't shared with other machines.
"""

from __future__ import annotations

from phantomgate.core.model import Headers
from phantomgate.core.pattern import pattern

# §5.2: directive = token [ "=" ( token / quoted-string ) ]
_DIRECTIVE = pattern(
    rb"[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:=(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)|\"((?:[^\"\\]|\\.)*)\"))?[ \t]*(?:,|$)"
)


def read_freshness(headers: Headers) -> float | None:
    """Seconds for which the answer may be remembered; None when the server did not say; 0.0 when it may not be.

    §4.2.1: max-age, less what Age says it has used up. `no-store`, `no-cache`, a directive twice, or one that can't
    be read: 0.0.
    """
    fields = headers.all(b"cache-control")
    if not fields:
        return None
    found = _directives(b",".join(fields))
    if found is None or b"no-store" in found or b"no-cache" in found:
        return 0.0
    if b"max-age" not in found:
        return None
    seconds = found[b"max-age"]
    ages = [age.strip(b" \t") for age in headers.all(b"age")] or [b"0"]
    # §1.2.2: delta-seconds is digits, nothing else; int() would take "+5", "1_0" and other scripts' digits
    if seconds is None or not _digits(seconds) or len(ages) != 1 or not _digits(ages[0]):
        return 0.0
    return max(float(_delta(seconds) - _delta(ages[0])), 0.0)


def is_private(headers: Headers) -> bool:
    """Whether only whoever asked may remember the answer (§5.2.2.7); what can't be read isn't remembered at all."""
    return b"private" in (_directives(b",".join(headers.all(b"cache-control"))) or {})


def _directives(value: bytes) -> dict[bytes, bytes | None] | None:
    """Every directive by lower-case name, or None when the field can't be read or says one thing twice."""
    found: dict[bytes, bytes | None] = {}
    at = 0
    while at < len(value):
        if value[at] in b" \t,":  # §5.6.1 of RFC 9110: empty list elements are allowed
            at += 1
            continue
        match = _DIRECTIVE.match(value, at)
        if match is None:
            return None
        name = match[1].lower()
        if name in found:
            return None
        found[name] = match[2]  # a quoted number is not delta-seconds, so only the token form is kept
        if match[3] is not None and name == b"max-age":
            return None
        at = match.end()
    return found


def _digits(value: bytes) -> bool:
    return value.isdigit()  # on bytes this is ASCII only


def _delta(value: bytes) -> int:
    # §1.2.2: a larger number is as good as infinity; the caller caps it anyway
    return int(value.lstrip(b"0")[:10] or b"0")
