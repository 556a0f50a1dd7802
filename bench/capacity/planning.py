"""From what a simulation saw, and what each thing costs: how many machines, and what else they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

from fleet import Costs, Fleet, Seen, Traffic

BUSY = 0.5
"""Of a CPU, planned for: the rest is for the hour in which another machine is gone, and for what is not simulated."""
REDIS_CALLS = 4
"""Of a question with a store: look, claim, keep, release."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fleet needs. CPUs are of phantomgate alone, without its gateway."""

    cpus: float
    """Busy all the time."""
    machines: int
    """Of as many CPUs as they have workers, each busy for `BUSY` of its time when one of them is away. With another
    number of machines than the fleet that was simulated has, its memories would be hit otherwise: see `settle`."""
    memory_mb: float
    """Of one machine."""
    asked: float
    """Questions to the authorization server a second."""
    redis_calls: float
    """A second."""


def plan(traffic: Traffic, fleet: Fleet, seen: Seen, costs: Costs) -> Plan:
    """What *fleet* needs for *traffic*, of which a simulation has *seen* some."""
    each = (
        seen.hits * costs.hit_us
        + seen.shared * costs.shared_us
        + (seen.misses + seen.ahead) * costs.of_miss(redis=fleet.redis)
    ) / seen.requests
    cpus = traffic.requests * each / 1e6
    questions = seen.misses * seen.scale / seen.seconds
    return Plan(
        cpus=cpus,
        machines=max(ceil(cpus / BUSY / fleet.workers), 1) + 1,
        memory_mb=fleet.workers * costs.worker_mb + seen.remembered / fleet.machines * costs.token_bytes / 1e6,
        asked=seen.asked,
        redis_calls=seen.looked_up + (REDIS_CALLS - 1) * questions if fleet.redis else 0.0,
    )


def settle(traffic: Traffic, fleet: Fleet, costs: Costs, see: Callable[[Traffic, Fleet], Seen]) -> tuple[int, Plan]:
    """The fewest machines that are enough for themselves, and what they need; *see* simulates a fleet.

    More machines have more memories, each of which is hit less, so that the number can't be worked out from one run.
    """
    machines = 2
    while True:
        tried = replace(fleet, machines=machines)
        needs = plan(traffic, tried, see(traffic, tried), costs)
        if needs.machines <= machines:
            return machines, needs
        machines = min(needs.machines, 2 * machines)
