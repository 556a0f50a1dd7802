"""What came of a case: whether the API got what it must, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import unquote

from phantomgate.cli.doctor.asking import Answer
from phantomgate.cli.doctor.case import MARK, PATHS, Case, Known
from phantomgate.cli.doctor.upstream import Arrived
from phantomgate.core.model import plain_name

Outcome: TypeAlias = Literal["good", "hole", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of *case*: good, a hole, or good with something worth a note; *why* says what was seen."""

    case: Case
    outcome: Outcome
    why: str


@dataclass(frozen=True, slots=True)
class Plain:
    """What the API gets for the good token, plainly: the values of the identity headers, by name."""

    identity: Mapping[str, tuple[str, ...]]


def plain(arrived: Sequence[Arrived], known: Known) -> Plain:
    """What the one request that *arrived* has of the identity headers."""
    return Plain({name: tuple(arrived[0].all(name)) for name in known.identity} if arrived else {})


def judged(case: Case, known: Known, answer: Answer, arrived: Sequence[Arrived], usual: Plain | None) -> Finding:
    """The finding for *case*, of which the gateway made *answer*, while this *arrived* at the API."""
    why = _hole(case, known, answer, arrived, usual)
    if why:
        return Finding(case, "hole", why)
    seen = _seen(answer, arrived)
    if answer.status == 401 and not answer.has("www-authenticate"):
        return Finding(case, "note", f"{seen}, without WWW-Authenticate (RFC 6750 section 3): clients can't tell why")
    if case.status and answer.status not in case.status:
        return Finding(case, "note", f"{seen}; {' or '.join(map(str, case.status))} would tell the client what to do")
    return Finding(case, "good", seen)


def _seen(answer: Answer, arrived: Sequence[Arrived]) -> str:
    status = f"answered {answer.status}" if answer.status else "closed without an answer"
    return f"{status}, reached the API" if arrived else f"{status}, never reached the API"


def _hole(case: Case, known: Known, answer: Answer, arrived: Sequence[Arrived], usual: Plain | None) -> str:
    if answer.status == 101:
        return "the gateway switched protocols (101): what follows is judged by nobody"
    if case.want == "clean" and not arrived:
        return f"{_seen(answer, arrived)}, and it should have"
    if case.want == "refused" and arrived:
        return f"it reached the API ({_first(arrived)})"
    if len(arrived) > 1 or any(f"/{MARK}" in one.target.partition("?")[0] for one in arrived):
        return f"{len(arrived)} requests reached the API, the last as {arrived[-1].method} {_path(arrived[-1])}"
    return next((why for one in arrived if (why := _unclean(case, known, one, usual))), "")


def _unclean(case: Case, known: Known, one: Arrived, usual: Plain | None) -> str:
    """What is wrong with a request at the API."""
    credentials = one.all("authorization")
    if len(credentials) != 1:
        return f"the API got {len(credentials)} Authorization fields, want one"
    if not re.fullmatch(r"Bearer [\w-]+\.[\w-]+\.[\w-]+", credentials[0], re.ASCII):
        return "the Authorization that the API got is not `Bearer` and a JWT"
    if one.holds(known.token):
        return "the token that came reached the API"
    for name, value in one.fields:
        if _CONTROL(value):
            return f"a line break or zero byte within a value reached the API, in {name}"
        if MARK in name or (MARK in value and name.lower() not in _HARMLESS):
            return f"what the client made up reached the API, in {name}"
    if case.unwanted and one.all(case.unwanted):
        return f"the API got {case.unwanted}, by which the gateway says whom it takes the client for"
    if one.all("content-length") and one.all("transfer-encoding"):
        return "the API got Content-Length and Transfer-Encoding, and may read another request than the gateway"
    if any("h2c" in value.lower() for value in one.all("upgrade")):
        return "an upgrade to h2c reached the API: what follows would be judged by nobody"
    if one.rest and not (one.all("content-length") or one.all("transfer-encoding") or _last(one)):
        return f"{len(one.rest)} bytes followed it to the API, which would take them for a request that nobody judged"
    if usual is not None:
        for name, values in usual.identity.items():
            got = tuple(value for other, value in one.fields if plain_name(other) == plain_name(name))
            if got != values:
                return f"{name} at the API is not what it is for this token ({len(got)} values, want {len(values)})"
    if case.group == PATHS and _under(resolved(_path(one)), known.forbidden):
        return f"{_path(one)} reached the API, which may read it as {known.forbidden}"
    return ""


def _last(one: Arrived) -> bool:
    """Whether the API was told to read nothing after it (RFC 9112 §9.6)."""
    return "close" in re.split(r"[\s,]+", ",".join(one.all("connection")).lower())


_CONTROL = re.compile(r"[\x00\r\n]").search
_HARMLESS = frozenset(("x-doctor",))


def _first(arrived: Sequence[Arrived]) -> str:
    return f"{arrived[0].method} {_path(arrived[0])}"


def _path(one: Arrived) -> str:
    return one.target.partition("?")[0]


def _under(path: str, forbidden: str) -> bool:
    wanted = forbidden.rstrip("/").lower()
    return path.lower() == wanted or path.lower().startswith(f"{wanted}/")


def resolved(path: str) -> str:
    """*path* as the most helpful of servers would read it: decoded to the end, dots and parameters gone."""
    path = re.sub(r"^https?://[^/]*", "", path)
    for _ in range(3):
        path = unquote(path, errors="replace")
    path = path.partition("\0")[0].partition("#")[0].replace("\\", "/")
    segments: list[str] = []
    for segment in (one.partition(";")[0].strip() for one in path.split("/")):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in ("", "."):
            segments.append(segment)
    return "/" + "/".join(segments)
