"""Whoever looks at every answer: wrong to let in, wrong to refuse, not available, or as it should be.

Rule: a wrong allow is counted whatever is broken at the time. It is one when the request began after the oracle's
moment, or when another's JWT, or none, arrived at the API. Availability is counted of those only who must be let in.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from chaos.oracle import Oracle, Presented
from chaos.population import AVAILABLE, Population

EVIDENCE = 5
"""How many wrong answers are told in words, of each fault."""


@dataclass
class Spell:
    """What was seen while one fault lasted and until it was recovered from. Times are of the monotonic clock."""

    name: str
    requests: int = 0
    wrong_allows: int = 0
    wrong_refusals: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    let_in: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    """What those were told who should have been let in."""
    slowest: float = 0.0
    """The longest that anybody waited for a refusal because nobody could be asked, in seconds."""
    failed: list[float] = field(default_factory=list)
    """When the requests began that should have been let in and weren't."""
    evidence: list[str] = field(default_factory=list)
    suspects: set[str] = field(default_factory=set)
    """The machines that let somebody in wrongly."""

    def share(self, promise: str) -> float:
        """The part of those that must be let in, by *promise*, who were."""
        return self.let_in[promise] / self.asked[promise] if self.asked[promise] else 1.0

    def wrong(self, text: str) -> None:
        """Keep the first few, in words."""
        if len(self.evidence) < EVIDENCE:
            self.evidence.append(text)


class Judge:
    """Its state: the spell that new requests belong to."""

    def __init__(self, oracle: Oracle, population: Population) -> None:
        self.oracle = oracle
        self.population = population
        self.spell = Spell("start")
        self.strict = True
        """Whether a wrong refusal is told from a clock that is wrong on purpose."""

    def answered(
        self,
        spell: Spell,
        one: Presented,
        kind: str,
        began: float,
        status: int,
        subject: str,
        *,
        remembers: bool,
        who: str = "",
    ) -> None:
        """A gateway that *remembers* decisions or not gave *status* to *one*, which was of *kind* then.

        *who* is the machine that was asked."""
        now = time.monotonic()
        spell.requests += 1
        promise = AVAILABLE.get(kind)
        if 200 <= status < 300:
            over = self.oracle.over(one, began, remembers=remembers)
            if began > over:
                spell.wrong_allows += 1
                since = f"{began - over:.2f} s too late" if one.good else "never good"
                spell.suspects.add(who)
                spell.wrong(f"let in: {kind}, {since}, by {who}, through {'the remembering ' * remembers}nginx")
            elif subject != one.subject:
                spell.wrong_allows += 1
                spell.suspects.add(who)
                spell.wrong(f"let in as somebody else: {kind}, the API saw {subject!r}")
            else:
                self.population.admit(one)
                if promise:
                    spell.asked[promise] += 1
                    spell.let_in[promise] += 1
            return
        if not self.oracle.certainly_good(one, now):
            return
        if status in (400, 401, 403, 404) and self.strict:
            spell.wrong_refusals += 1
            spell.wrong(f"refused with {status}: {kind}, {now - one.born:.1f} s old")
        if promise:
            spell.asked[promise] += 1
            spell.failed.append(began)
            spell.told[f"{kind} got {status or 'no answer'}"] += 1
            if status:
                spell.slowest = max(spell.slowest, now - began)
