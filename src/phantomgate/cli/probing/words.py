"""What was found, for people: 80 columns, in the order in which it was found out, the settings last.

Rule: everything that a server said is escaped, so that none can play with the terminal; a colour repeats a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from phantomgate.cli.hanging import WIDTH, hanging
from phantomgate.cli.paint import Paint

CUT = "----- phantomgate.toml "
"""What the line begins with below which all is settings."""
_MARKS = {"works": ("good", "ok"), "does not": ("bad", "no"), "not tried": ("soft", "-")}


def as_text(story: Mapping[str, Any], paint: Paint) -> str:
    """*story*, as `told` made it."""
    lines = [paint("strong", f"phantomgate probe {visible(story['issuer'])}")]
    lines += _section("What it says of itself", _metadata(story["metadata"]), paint)
    lines += _section("Its keys", _keys(story["keys"], paint), paint)
    if story["client"] is not None:
        client = story["client"]
        rows = [row for one in client["client_auth"] for row in _row(one["client_auth"], one, paint)]
        name = visible(client["client_id"])
        lines += _section(f"How it knows us, the client {name}", rows or ["  not tried: no endpoint to ask"], paint)
    lines += _section("The token", _token(story["token"]), paint)
    lines += _section(
        "Ways to make sure of tokens",
        [row for one in story["ways"] for row in _row(one["way"], one, paint)],
        paint,
    )
    lines += _section("Recommended", _recommended(story), paint)
    lines += _section("Next", [line for hint in story["next"] for line in hanging("  ", hint)], paint)
    if story["settings"] is not None:
        lines += ["", paint("soft", f"{CUT:-<{WIDTH}}"), story["settings"].rstrip("\n")]
    return "\n".join(lines)


def _section(title: str, rows: Sequence[str], paint: Paint) -> list[str]:
    return ["", paint("strong", title), *rows] if rows else []


def _metadata(said: Mapping[str, Any]) -> list[str]:
    if not said["found"]:
        return [*hanging("  ", f"none: {visible(said['detail'])}"), *hanging("    ", said["remedy"])]
    rows = [*_pair("metadata", said["url"])]
    for one in said["endpoints"]:
        rows += _pair(one["for"], visible(one["url"]))
        if "not_called" in one:
            rows += hanging(" " * 23, f"not called: {visible(one['not_called'])}")
            rows += hanging(" " * 23, one["remedy"])
    for name, words in said["says"].items():
        rows += _pair(name, visible(", ".join(words)))
    for answer, name in ((True, "offers"), (False, "doesn't say it has")):
        things = [thing for thing, there in said["supports"].items() if there is answer]
        rows += _pair(name, ", ".join(things)) if things else []
    return rows


def _keys(keys: Mapping[str, Any], paint: Paint) -> list[str]:
    if "detail" in keys:
        return [*hanging("  ", f"none: {visible(keys['detail'])}"), *hanging("    ", keys["remedy"])]
    if not keys["url"]:
        return ["  nothing says where they are"]
    rows = []
    for key in keys["usable"]:
        rows += _row(f"{key['alg']}  {_kid(key)}", {"result": "works"}, paint)
    for key in keys["unusable"]:
        rows += _row(_kid(key), {"result": "does not", "detail": key["why"]}, paint)
    return rows or ["  the set is empty"]


def _kid(key: Mapping[str, Any]) -> str:
    kid = key["kid"]
    if kid is None:
        return "a key without kid"
    return f"kid {visible(kid if len(kid) <= 50 else kid[:47] + '...')}"


def _token(token: Mapping[str, Any]) -> list[str]:
    if "detail" in token:
        return [*hanging("  ", f"none: {visible(token['detail'])}"), *hanging("    ", token["remedy"])]
    if token["kind"] != "JWT":
        return ["  none given"] if token["kind"] == "none" else ["  opaque: only the server knows what it means"]
    rows = ["  a JWT"]
    for name in ("alg", "typ"):
        rows += _pair(name, visible(token[name][:80]))
    return rows + _pair("aud", visible(", ".join(token["aud"])) or "none that can be checked")


def _row(title: str, told: Mapping[str, Any], paint: Paint) -> list[str]:
    kind, mark = _MARKS[told["result"]]
    head = f"  {mark:<4}"
    rows = [f"{head}{title}"]
    if "upstream" in told:
        rows[0] += f": a JWT goes upstream ({visible(told['upstream'])})"
    elif told["result"] == "works" and "way" in told:
        rows[0] += ": a made-up token is refused"
    if told.get("detail"):
        text = visible(told["detail"])
        said = f"{told['reason']}: {text}" if told.get("reason") else text
        said = f"not tried, {said}" if told["result"] == "not tried" else said
        if len(rows[0]) + 2 + len(said) <= WIDTH:
            rows[0] += f"{',' if told['result'] == 'works' else ':'} {said}"
        else:
            rows += hanging(" " * 6, said)
    if told.get("remedy"):
        rows += hanging(" " * 6, told["remedy"])
    rows[0] = paint(kind, head) + rows[0][len(head) :]
    return rows


def _recommended(story: Mapping[str, Any]) -> list[str]:
    best = story["recommended"]
    if best is not None:
        return hanging("  ", f"{best['way']}: {best['why']}")
    if story["works"]:
        return ["  nothing yet: nothing was given to try with"]
    return ["  nothing: no way that was tried works"]


def visible(text: str) -> str:
    """*text* in printable ASCII; what isn't is escaped."""
    text = text.replace("\u00a7", "section ")
    return text if text.isascii() and text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _pair(name: str, text: str) -> list[str]:
    return hanging(f"  {name:<21}", text)
