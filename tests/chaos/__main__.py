"""`make chaos`: the fleet on one machine, everything that goes wrong with it, and what came of it.

    python -m chaos [--seed N] [--short] [--write] ...

Rule: the seed is printed first, progress while it runs, the table last. The exit code is 1 when anybody was let in or
refused wrongly, or who should have been let in wasn't; 2 when something that it needs isn't installed.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence

import uvloop

from chaos import table
from chaos.broken import BROKEN
from chaos.faults import FAULTS
from chaos.run import Plan, run
from chaos.stores import STORES
from interop.needs import SERVERS

NEEDED = ("nginx", "nginx's JavaScript module", "Redis", "libfaketime")
SHORT = (
    "nothing",
    "a phantomgate is killed, and started again",
    "a phantomgate freezes",
    "the authorization server is killed, and started again",
    "the way to all of Redis is cut",
    "settings become nonsense",
)
"""The faults of a short run."""


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description="everything that goes wrong with a fleet")
    parser.add_argument(
        "--seed", type=int, default=0, help="the order, who is hit, and who comes (default: of the clock)"
    )
    parser.add_argument("--short", action="store_true", help="one store and few faults: under a minute")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reference/chaos.md")
    parser.add_argument("--seconds", type=float, default=2.5, help="how long each fault lasts (default 2.5)")
    parser.add_argument("--rate", type=float, default=120.0, help="requests a second (default 120)")
    parser.add_argument("--store", choices=list(STORES), action="append", help="this one (may be given again)")
    parser.add_argument("--only", action="append", metavar="WORDS", help="faults with these words in their name")
    parser.add_argument("--broken", choices=list(BROKEN), default="", help="break one machine, to see it found")
    given = parser.parse_args(words)
    missing = [name for name in NEEDED if not SERVERS[name]()]
    if missing:
        print(f"not installed: {', '.join(missing)} (sh tests/interop/install.sh installs them)")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended on the way out
    plan = _plan(given)
    print(f"seed {plan.seed}", flush=True)
    result = uvloop.run(run(plan, lambda line: print(line, flush=True)))
    print(f"\n{table.plain(result.rows)}\n\n{table.summary(plan, result)}")
    if result.left_out:
        print(f"{result.left_out} requests were not sent, since too many were under way")
    if given.write:
        table.write(plan, result)
    problems = [f"{row.store}: {row.fault.name}: {text}" for row in result.rows for text in row.problems]
    print("\n".join(["", "NOT AS PROMISED", *problems]) if problems else "everything as promised")
    return 1 if problems else 0


def _plan(given: argparse.Namespace) -> Plan:
    stores = given.store or (["cluster"] if given.short else list(STORES))
    faults = {kind: [one for one in FAULTS if kind in one.stores] for kind in stores}
    wanted = given.only or (SHORT if given.short else ())
    if wanted:
        faults = {
            kind: [one for one in all_ if any(words in one.name for words in wanted)] for kind, all_ in faults.items()
        }
    seed = given.seed or time.time_ns() // 1_000_000 % 1_000_000
    return Plan(seed, faults, given.seconds, given.rate, given.broken)


if __name__ == "__main__":
    sys.exit(main())
