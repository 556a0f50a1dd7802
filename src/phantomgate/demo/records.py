"""Keeps what the gateway did with each request, in words for the page; nothing secret is in a record. Bounded."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from phantomgate.config.wiring import Wired
from phantomgate.core.errors import Refused
from phantomgate.core.model import Allow, Credential, Decision, HeaderChange, Refuse, Request, Route, Source, Token
from phantomgate.gateway.explain import Step, recording

MOST_RECORDS = 200

current: ContextVar[str] = ContextVar("current", default="")
"""Under which id the request that is being handled will be recorded."""


class RecordingGateway:
    """Decides as the wired gateway does, part by part. Its state: the records of the last decisions."""

    def __init__(self, wired: Wired, asked: Callable[[], int]) -> None:
        """*asked* is how often the authorization server was asked so far."""
        self._wired = wired
        self._asked = asked
        self._records: dict[str, dict[str, Any]] = {}

    async def decide(self, request: Request) -> Decision:
        """As `Gateway.decide`."""
        wired = self._wired
        watched, steps = recording(wired.gateway, wired.policy_names, wired.ticks)
        asked, began = self._asked(), wired.ticks()
        decision = await watched.decide(request)
        seconds = wired.ticks() - began
        remembered = decision.lifetime(wired.now(), wired.ticks()) if isinstance(decision, Allow) else 0
        self._records[current.get()] = {
            "allowed": isinstance(decision, Allow),
            "decision": decision.id if isinstance(decision, Refuse) else "",
            "reason": decision.reason.label if isinstance(decision, Refuse) else "",
            "ms": seconds * 1000,
            "source": _source(steps, self._asked() > asked),
            "remembered": remembered,
            "max_age": wired.settings.cache.max_age,
            "steps": _in_words(steps),
        }
        while len(self._records) > MOST_RECORDS:
            del self._records[next(iter(self._records))]
        return decision

    def record(self, name: str) -> dict[str, Any] | None:
        """What was recorded under *name*, while it is kept."""
        return self._records.get(name)


def _source(steps: list[Step], asked: bool) -> str:
    """Where the answer about the token came from: the network, memory, or "" when nobody wanted to know."""
    resolved = [step for step in steps if step.verb == "resolve"]
    if not resolved:
        return ""
    gave = resolved[0].gave
    if isinstance(gave, Token):
        return gave.source.value
    return Source.NETWORK.value if asked else Source.MEMORY.value


def _in_words(steps: list[Step]) -> list[dict[str, Any]]:
    """One entry a verb: the policies are one step, which ends with the first that refuses."""
    entries: list[dict[str, Any]] = []
    for step in steps:
        entry = {
            "verb": step.verb,
            "ms": step.seconds * 1000,
            "ok": step.refused is None,
            "text": _refused(step.refused) if step.refused else _gave(step),
        }
        if entries and entries[-1]["verb"] == step.verb:
            entry["ms"] += entries[-1]["ms"]
            if step.refused is None:
                entry["text"] = f"{entries[-1]['text']}, {entry['text']}"
            entries[-1] = entry
        else:
            entries.append(entry)
    return entries


def _refused(refused: Exception) -> str:
    return (refused.detail or refused.reason.label) if isinstance(refused, Refused) else type(refused).__name__


def _gave(step: Step) -> str:
    gave = step.gave
    if isinstance(gave, Route):
        return f"{gave.name} needs {' '.join(sorted(gave.scopes)) or 'no scope'}"
    if isinstance(gave, Credential):
        return f"one Bearer token, {len(gave.value)} characters"
    if isinstance(gave, Token):
        return f"{gave.source.value}: active, for {gave.claims.get('sub', 'nobody')}"
    if isinstance(gave, HeaderChange):
        return f"sets {', '.join(name for name, _ in gave.set)}"
    return step.name
