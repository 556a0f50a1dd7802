"""Planning past one machine: what a fleet needs for a traffic, simulated with measured costs.

    python bench/capacity --requests 20000 --tokens 500000 --machines 4 --workers 4
    python bench/capacity --page        # the tables and plots of docs/explanation/capacity.md
    python bench/capacity --learn       # takes the costs from the newest results of `make bench`

Prints how many requests each level answers, what reaches the authorization server, and how many machines that takes,
for the fleet as it is asked about and beside it with and without Redis.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields, replace

from fleet import Fleet, Traffic
from learn import keep, kept, learn
from simulation import MOST_REQUESTS
from tables import shown, table


def _words() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(
        prog="bench/capacity", description="what a fleet needs, simulated with measured costs"
    )
    for noun, title in ((Traffic, "the traffic"), (Fleet, "the fleet")):
        group = words.add_argument_group(title)
        for field in fields(noun):
            option = "--" + field.name.replace("_", "-")
            if isinstance(field.default, bool):
                group.add_argument(option, action=argparse.BooleanOptionalAction, default=field.default)
            else:
                group.add_argument(option, type=type(field.default), default=field.default, metavar="N",
                                   help=f"{_HELP[field.name]} (default {field.default})")  # fmt: skip
    words.add_argument(
        "--seed", type=int, default=1, metavar="N", help="of chance (default 1); the same gives the same"
    )
    words.add_argument("--most", type=int, default=MOST_REQUESTS, metavar="N",
                       help="requests that are simulated at the most; beyond, tokens stand for others")  # fmt: skip
    words.add_argument("--learn", action="store_true", help="take the costs from the newest results of `make bench`")
    words.add_argument("--page", action="store_true", help="write the tables and plots of docs/explanation/capacity.md")
    return words


_HELP = {
    "requests": "requests a second",
    "tokens": "access tokens in use at any time",
    "lifetime": "seconds that a token lasts",
    "skew": "Zipf's exponent of how unevenly they are used",
    "machines": "machines with phantomgate",
    "workers": "workers of each",
    "max_age": "seconds that an answer is remembered, cache.max_age",
    "max_entries": "answers that one machine remembers, cache.max_entries",
}


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    given = _words().parse_args(argv)
    if given.learn:
        keep(learn())
    costs = kept()
    if given.page:
        from page import write  # matplotlib, which nothing else needs

        write(costs, seed=given.seed, most=given.most)
        return 0
    traffic = Traffic(**{field.name: getattr(given, field.name) for field in fields(Traffic)})
    fleet = Fleet(**{field.name: getattr(given, field.name) for field in fields(Fleet)})
    print(f"{traffic.requests:,.0f} requests/s by {traffic.tokens:,} tokens, {traffic.churn:,.1f} new ones/s; "
          f"{fleet.machines} x {fleet.workers} workers that remember for {fleet.max_age:g} s")  # fmt: skip
    print(f"costs measured {costs.date} on {costs.machine}")
    rows = [("as asked", traffic, fleet)]
    rows += [("without Redis" if fleet.redis else "with Redis", traffic, replace(fleet, redis=not fleet.redis))]
    rows += [("spread by token", traffic, replace(fleet, sticky=True))] if not fleet.sticky else []
    print(shown(table(rows, costs, seed=given.seed, most=given.most)))
    print("""
memory, Redis: what each answers of the requests that reach it; asked/s: questions to the authorization server.
machines needed: the fewest whose CPUs are at most half busy when one is away, each with as many CPUs as workers.
CPUs are phantomgate's alone: its gateway has its own.""")
    return 0


if __name__ == "__main__":
    sys.exit(main())
