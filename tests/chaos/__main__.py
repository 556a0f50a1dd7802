"""`make chaos`: the fault run.

    python -m chaos [--seed N] [--short] [--seconds S] [--rate R] [--store KIND] [--only WORDS] [--broken HOW] [--write]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import uvloop

from chaos.broken import BROKEN
from chaos.run import Plan, run, usual


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m chaos")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--short", action="store_true")
    words.add_argument("--seconds", type=float, default=3.0)
    words.add_argument("--rate", type=float, default=120.0)
    words.add_argument("--store", action="append", choices=["cluster", "sentinel"])
    words.add_argument("--only", action="append")
    words.add_argument("--broken", choices=BROKEN, default="")
    given = words.parse_args()
    seed = given.seed or time.time_ns() % 1_000_000
    faults = usual(given.store or ("cluster", "sentinel"))
    if given.only:
        faults = {k: [f for f in v if f.name=="nothing" or any(o in f.name for o in given.only)] for k, v in faults.items()}
    print(f"seed {seed}")
    plan = Plan(seed, faults, given.seconds, given.rate, given.broken)
    result = uvloop.run(run(plan, lambda line: print(line, flush=True)))
    print(result.purges, result.repeated, result.slowest_purge, result.left_out)
    return 1 if any(row.problems for row in result.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
