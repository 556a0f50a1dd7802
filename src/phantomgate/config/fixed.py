"""What can't change while we run, and why: everything else does, by SIGHUP or when a file changes.

Rule: what would be lost or left open by a change is refused, whole, and said; a restart does it in good order.
"""

from __future__ import annotations

from collections.abc import Callable

from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem


def _kept(settings: Settings) -> tuple[object, ...]:
    split, serve = settings.split_tokens, settings.serve
    kept = (split.listen, split.max_entries, split.max_bytes)
    return *kept, serve.listen, serve.workers, serve.protocol, bool(serve.upstream)


def _remembers(settings: Settings) -> tuple[object, ...]:
    redis = settings.redis
    place = (redis.nodes, redis.mode, redis.master, redis.database, redis.prefix)
    return settings.agent.state, settings.agent.processes, place if settings.agent.state == "redis" else ()


_FIXED: tuple[tuple[str, str, Callable[[Settings], object]], ...] = (
    ("agent.listen", "", lambda settings: settings.agent.listen),
    ("agent", "", lambda settings: settings.has_agent),
    ("agent.state", "what it remembers would be lost", lambda one: one.has_agent and _remembers(one)),
    ("split_tokens", "or [serve] beside it: what was pushed would be lost", lambda one: one.splits and _kept(one)),
    ("revocation.listen", "", lambda settings: settings.revokes and settings.revocation.listen),
)
"""(the setting, a word on it, what of it must stay)."""


def only_by_a_restart(old: Settings, new: Settings) -> list[Problem]:
    """What differs in *new* from *old*, by which we run, and can only be changed by a restart."""
    problems = [
        Problem(name, f"can only be changed by a restart{f' ({word})' if word else ''}", new.origin(name))
        for name, word, of in _FIXED
        if of(old) != of(new)
    ]
    if new.has_agent and old.has_agent and new.agent.max_age > old.agent.max_age:
        text = "can only be raised by a restart: sessions that were ended would come back"
        problems.append(Problem("agent.max_age", text, new.origin("agent.max_age")))
    return problems
