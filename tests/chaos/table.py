"""The table of a run, on the terminal and in the docs: a row a fault, who was let in wrongly or wasn't, and recovery.

Rule: what stands in the docs is what a run printed, with its seed, its date and its figures; nobody writes there.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path

from chaos.run import Plan, Result, Row

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "chaos.md"
BEGIN, END = "<!-- made by `make chaos ARGS=--write` -->\n", "<!-- end -->"
HEADINGS = (
    "store",
    "fault",
    "requests",
    "wrong allows",
    "wrong refusals",
    "known let in",
    "new let in",
    "refused after",
    "recovered",
)


def cells(row: Row) -> tuple[str, ...]:
    """A row, as it is printed and written."""
    spell, fault = row.spell, row.fault
    return (
        row.store,
        fault.name,
        str(spell.requests),
        str(spell.wrong_allows),
        "not judged" if fault.clock else str(spell.wrong_refusals),
        _share(spell.share("known"), fault.known),
        _share(spell.share("new"), fault.new),
        f"{spell.slowest:.1f} s" if spell.slowest else "",
        "never" if row.recovery is None else "at once" if row.recovery < 0.05 else f"{row.recovery:.1f} s",
    )


def _share(share: float, promised: float | None) -> str:
    """What part was let in; in brackets where nothing is promised."""
    text = "all" if share == 1.0 else f"{100 * share:.1f} %"
    return text if promised is not None else f"({text})"


def plain(rows: Sequence[Row]) -> str:
    """The table for a terminal."""
    lines = [HEADINGS, *map(cells, rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) if place < 2 else cell.rjust(width) for place, (cell, width) in
                  enumerate(zip(line, widths, strict=True))).rstrip()
        for line in lines
    )  # fmt: skip


def summary(plan: Plan, result: Result) -> str:
    """The run in a sentence or two."""
    rows = result.rows
    longest = max((row.recovery or 0.0 for row in rows), default=0.0)
    return (
        f"{len(rows)} faults, {sum(row.spell.requests for row in rows)} requests at {plan.rate:.0f} a second, "
        f"{sum(row.spell.wrong_allows for row in rows)} wrong allows, "
        f"{sum(row.spell.wrong_refusals for row in rows)} wrong refusals; {result.purges} purges acknowledged, "
        f"{result.repeated} calls of them told again, the longest until all was told {result.slowest_purge:.1f} s; "
        f"longest recovery {longest:.1f} s"
    )


def write(plan: Plan, result: Result, page: Path = PAGE) -> None:
    """Put the table into the docs."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, f"{page} has no place for the table"  # noqa: PT018
    date = time.strftime("%Y-%m-%d", time.gmtime())
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(cells, result.rows)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    told = f"Seed {plan.seed}, {date}, Python {platform.python_version()}: {summary(plan, result)}.\n\n"
    page.write_text(before + begin + told + table + end + after, encoding="utf-8")


def committed(page: Path = PAGE) -> list[list[str]]:
    """The table in the docs, read back."""
    _, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    lines = rest.partition(END)[0].splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][2:]
