"""From [split_tokens] to where the parts of split tokens are kept, and what those settings say together.

Rule: one process keeps them, until there is a store that several share; anything else is a problem at start, because
a worker that was not told would refuse good tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from phantomgate.backends.memory import MemoryCache
from phantomgate.backends.secrets import read_secret
from phantomgate.config.asking_checks import missing
from phantomgate.config.network import read_address
from phantomgate.config.settings import Settings, SplitTokens
from phantomgate.core.errors import Problem
from phantomgate.core.ports import Clock

LEAST_SECRET = 16
"""Characters: who guesses it can make us forget tokens."""


def push_secret(settings: Settings, environ: Mapping[str, str]) -> tuple[str, list[Problem]]:
    """What opens the listener, and what is wrong with it."""
    reference = settings.split_tokens.secret
    if not settings.splits or not reference:
        return "", []
    try:
        return read_secret(reference, environ, least=LEAST_SECRET), []
    except ValueError as no:
        return "", [Problem("split_tokens.secret", str(no), settings.origin("split_tokens.secret"))]


def kept_halves(settings: Settings, ticks: Clock) -> MemoryCache | None:
    """Where parts are kept; None where no tokens are split."""
    if not settings.splits:
        return None
    split = settings.split_tokens
    return MemoryCache(max_entries=split.max_entries, max_bytes=split.max_bytes, ticks=ticks)


def problems_of_splitting(settings: Settings, unread: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """(setting, what is wrong with it and how to mend it) for everything about split tokens that is."""
    for name, also, check in _CHECKS:
        if not {name, "issuers", *also} & set(unread):
            text = check(settings)
            if text:
                yield name, text


def _secret_is_there(settings: Settings) -> str:
    if settings.splits:
        return "" if settings.split_tokens.secret else missing("split_tokens", "secret", "env:PUSH_SECRET")
    if settings.split_tokens == SplitTokens():
        return ""
    return 'and the others have no effect without one of [[issuers]] with mode = "split"; leave [split_tokens] out'


def _one_process_decides(settings: Settings) -> str:
    if not settings.splits or settings.serve.workers == 1:
        return ""
    return f"is {settings.serve.workers}, and each is a process with a memory of its own: what an issuer pushes would \
reach one of them, and the others refuse its tokens; write workers = 1, or run several services and push to each"


def _listeners_are_apart(settings: Settings) -> str:
    if not settings.splits:
        return ""
    mine = read_address(settings.split_tokens.listen)
    others = (read_address(settings.serve.listen), read_address(settings.serve.manage))
    if mine not in others or (not mine.unix and mine.port == 0):
        return ""
    return "is an address of [serve] too; choose another, so that an issuer reaches nothing but its own listener"


_CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Settings], str]], ...] = (
    ("split_tokens.secret", (), _secret_is_there),
    ("serve.workers", (), _one_process_decides),
    ("split_tokens.listen", ("serve.listen", "serve.manage"), _listeners_are_apart),
)
"""(the setting that is blamed, the others it looks at, the check)."""
