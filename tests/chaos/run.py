"""A run: the fleet with each store in turn, under load from the first second to the last, and one fault after another.

Rule: the seed says the order and who is hit. The next fault waits until the last is recovered from, so that each row of
the table is about one.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.broken import BROKEN
from chaos.fleet import fleet
from chaos.judge import Judge, Spell
from chaos.load import Load
from chaos.oracle import Oracle
from chaos.population import Population
from chaos.revoking import Revoking
from chaos.scene import Fault, Scene, in_order
from chaos.stores import Kind
from phantomgate.backends.redis import LONGEST_PAUSE

WARM_SECONDS = 3.0
CLEAN_SECONDS = 1.2
"""How long everybody must have been let in for a fault to be over."""
LONGEST_RECOVERY = 30.0
CALM_SECONDS = 1.2
"""Between two faults."""


@dataclass(frozen=True)
class Plan:
    """What is run: *faults* by store, each for so many *seconds*, at *rate* requests a second."""

    seed: int
    faults: dict[Kind, Sequence[Fault]]
    seconds: float = 2.5
    rate: float = 120.0
    broken: str = ""


@dataclass(frozen=True)
class Row:
    """What came of a fault. *recovery* in seconds after it was mended; None: not within half a minute."""

    store: Kind
    fault: Fault
    spell: Spell
    recovery: float | None

    @property
    def problems(self) -> list[str]:
        """What is not as promised, in words."""
        spell, found = self.spell, []
        if spell.wrong_allows:
            found.append(f"{spell.wrong_allows} wrong allows")
        if spell.wrong_refusals:
            found.append(f"{spell.wrong_refusals} wrong refusals")
        for promise, least in (("known", self.fault.known), ("new", self.fault.new)):
            if least is not None and spell.share(promise) < least:
                found.append(f"{spell.share(promise):.1%} of {promise} tokens let in, promised {least:.0%}")
        if self.recovery is None:
            found.append(f"not recovered within {LONGEST_RECOVERY:.0f} s")
        return found


@dataclass
class Result:
    """All rows, and what was done besides."""

    rows: list[Row]
    purges: int = 0
    repeated: int = 0
    slowest_purge: float = 0.0
    left_out: int = 0


async def run(plan: Plan, say: Callable[[str], None]) -> Result:
    """Run *plan*, telling each step."""
    result = Result([])
    for kind in plan.faults:
        folder = Path(tempfile.mkdtemp(prefix="phantomgate-chaos-"))
        try:
            await _staged(plan, kind, folder, result, say)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return result


async def _staged(plan: Plan, kind: Kind, folder: Path, result: Result, say: Callable[[str], None]) -> None:
    seed = random.Random(f"{plan.seed} {kind}")
    course = random.Random(f"{plan.seed} {kind} faults")  # of its own: who comes meanwhile is a matter of time, too
    oracle, began = Oracle(), time.monotonic()
    async with fleet(folder, kind, oracle, BROKEN.get(plan.broken)) as made:
        say(f"{kind}: {len(made.parts)} programs are up after {time.monotonic() - began:.1f} s")
        population = Population(seed, made.realm)
        judge = Judge(oracle, population)
        load = Load(made, population, judge, seed, plan.rate)
        revoking = Revoking(made, population, seed)
        scene = Scene(made, population, judge, course)
        tasks = [asyncio.create_task(load.run()), asyncio.create_task(revoking.run())]
        try:
            await asyncio.sleep(WARM_SECONDS)
            for fault in in_order(plan.faults[kind], course):
                row = await _suffered(plan, kind, fault, scene, load)
                result.rows.append(row)
                say(told(row))
                for machine in made.machines:
                    if machine.part.name.rpartition(" ")[2] in row.spell.suspects:
                        say("\n".join(f"        {machine.part.name}: {line}" for line in machine.events()))
                for task in tasks:
                    if task.done():
                        task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        result.purges += revoking.purges
        result.repeated += revoking.repeated
        result.slowest_purge = max(result.slowest_purge, revoking.slowest)
        result.left_out += load.left_out


async def _suffered(plan: Plan, kind: Kind, fault: Fault, scene: Scene, load: Load) -> Row:
    """One fault, from its begin until everybody is let in again."""
    scene.population.calm = True
    await asyncio.sleep(CALM_SECONDS)
    scene.population.calm = False
    scene.judge.strict = not fault.clock
    spell = scene.judge.spell = Spell(fault.name)
    began = time.monotonic()
    async with fault.how(scene):
        await asyncio.sleep(plan.seconds)
        mended = time.monotonic()
    recovery = await _recovered(spell, load, mended)
    if fault.rests:
        away = min(mended - began, LONGEST_PAUSE)  # a fault may take a while to come about
        await asyncio.sleep(max(0.0, mended + away + 3.0 - time.monotonic()))
    return Row(kind, fault, spell, recovery)


async def _recovered(spell: Spell, load: Load, mended: float) -> float | None:
    while True:
        await asyncio.sleep(0.1)
        now = time.monotonic()
        last = max(spell.failed, default=0.0)
        if now - max(last, mended) >= CLEAN_SECONDS and now - load.oldest() < CLEAN_SECONDS:
            return max(0.0, last - mended)
        if now - mended > LONGEST_RECOVERY:
            return None


def told(row: Row) -> str:
    """A row as it is printed when it is over."""
    spell = row.spell
    recovery = "never" if row.recovery is None else f"{row.recovery:.1f} s"
    verdict = "; ".join(row.problems) or "as promised"
    shares = ", ".join(f"{promise} {spell.share(promise):.1%}" for promise in ("known", "new"))
    lines = [
        f"  {spell.name:<62} {spell.requests:>5} requests, {shares}, recovery {recovery}: {verdict}",
        *(f"      {text}" for text in spell.evidence),
        *(f"      {times} x {text}" for text, times in sorted(spell.told.items()) if row.problems),
    ]
    return "\n".join(lines)
