"""What was run against which authorization server: recorded by the tests themselves, and a table in the docs.

Rule: a row is there because a test that ended well recorded it, in words that say what happened. `make interop` runs
the tests and then this file, which writes the table; `test_matrix` holds the table equal to what ran.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from interop.authorization_server import AuthorizationServer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "interop.md"
RESULTS = ROOT / ".cache" / "interop.json"
BEGIN, END = "<!-- made by `make interop` -->\n", "<!-- end -->"
HEADINGS = ("server", "token and answer", "we show who we are by", "what comes of it")
REMEDY = "run: make interop"


class Row(NamedTuple):
    """One combination that ran, and what came of it."""

    server: str
    dialect: str
    client: str
    outcome: str


@dataclass
class Matrix:
    """What a run recorded: its rows, and the version of each server."""

    rows: set[Row] = field(default_factory=set)
    versions: dict[str, str] = field(default_factory=dict)

    def record(self, server: AuthorizationServer, dialect: str, client: str, outcome: str) -> None:
        """Say at the end of a test that it ran: *dialect* (what kind of token, what answer was asked for), *client*
        (`client_auth`, and by which algorithm), and *outcome*."""
        self.versions[server.name] = server.version
        self.rows.add(Row(server.name, dialect, client, outcome))

    def table(self) -> str:
        """The rows as they stand in the docs."""
        lines = [HEADINGS, ("---",) * len(HEADINGS)]
        lines += [(f"{row.server} {self.versions[row.server]}", *row[1:]) for row in sorted(self.rows)]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def keep(self, complete: bool) -> None:
        """Leave what was recorded where `write` finds it."""
        RESULTS.parent.mkdir(exist_ok=True)
        said = {"complete": complete, "versions": self.versions, "rows": sorted(self.rows)}
        RESULTS.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def kept() -> Matrix:
    """What the last run recorded. Raises SystemExit when it was not all of it."""
    said = json.loads(RESULTS.read_text(encoding="utf-8"))
    if not said["complete"]:
        raise SystemExit("the last run left out tests that record, so no table is made of it; " + REMEDY)
    return Matrix({Row(*row) for row in said["rows"]}, said["versions"])


def parts() -> tuple[str, str, str]:
    """The page: before the table, the table, after it."""
    page = PAGE.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    table, end, after = rest.partition(END)
    return before + begin, table, end + after


def committed() -> Matrix:
    """The table in the docs, read back."""
    matrix = Matrix()
    for line in parts()[1].splitlines()[2:]:
        server, *rest = re.split(r" \| ", line.removeprefix("| ").removesuffix(" |"))
        name, _, version = server.rpartition(" ")
        matrix.versions[name] = version
        matrix.rows.add(Row(name, *rest))
    return matrix


def write(matrix: Matrix) -> None:
    """Put the table into the docs."""
    before, _, after = parts()
    PAGE.write_text(before + matrix.table() + after, encoding="utf-8")


def told(rows: Iterable[Row]) -> str:
    """Rows, one a line."""
    return "\n".join(" | ".join(row) for row in sorted(rows))


if __name__ == "__main__":
    write(kept())
