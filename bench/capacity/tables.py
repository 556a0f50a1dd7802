"""What a fleet needs, a line each: for a terminal, and for the docs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from fleet import Costs, Fleet, Traffic
from planning import plan, settle
from simulation import simulate

HEAD = ("", "memory", "Redis", "asked/s", "CPUs", "MB each", "Redis calls/s", "machines needed")


def table(rows: Sequence[tuple[str, Traffic, Fleet]], costs: Costs, *, seed: int, most: int) -> list[list[str]]:
    """A line for each fleet: the share that each level answers of what reaches it, and what that takes."""
    lines = [list(HEAD)]
    for name, traffic, fleet in rows:
        print(f"  simulating {name} ...", file=sys.stderr, flush=True)
        seen = simulate(traffic, fleet, seed=seed, most=most)
        needs = plan(traffic, fleet, seen, costs)
        enough, _ = settle(traffic, fleet, costs, partial(simulate, seed=seed, most=most // 4))
        lines.append([
            name, f"{seen.in_memory:.2%}", f"{seen.in_redis:.1%}" if fleet.redis else "-", f"{needs.asked:,.0f}",
            f"{needs.cpus:.2f}", f"{needs.memory_mb:,.0f}", f"{needs.redis_calls:,.0f}" if fleet.redis else "-",
            str(enough),
        ])  # fmt: skip
    return lines


def shown(lines: Sequence[Sequence[str]]) -> str:
    """For a terminal."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines)
