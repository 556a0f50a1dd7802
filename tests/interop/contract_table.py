"""What came of each case of the contract at each gateway: recorded by the tests themselves, and a table in the docs.

Rule: as `matrix`, which does the same for authorization servers: a cell is there because a test that ended well put it
there. `make interop` writes the table, and `test_contract_table` holds it equal to what ran.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from interop.gateways import BY_NAME
from interop.matrix import BEGIN, END, REMEDY, ROOT

PAGE = ROOT / "docs" / "reference" / "gateways.md"
RESULTS = ROOT / ".cache" / "contract.json"


@dataclass
class Contract:
    """What a run recorded: (case, gateway) -> outcome, in the order in which it was seen; and each one's version."""

    cells: dict[tuple[str, str], str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def record(self, gateway: str, version: str, case: str, outcome: str) -> None:
        """Say at the end of a test what came of *case*. What is recorded twice must be the same."""
        self.versions[gateway] = version
        known = self.cells.setdefault((case, gateway), outcome)
        assert known == outcome, f"{case} at {gateway}: {known}, and then {outcome}"

    def table(self) -> str:
        """A line for each case and a column for each gateway, as in the docs."""
        gateways = [name for name in BY_NAME if name in self.versions]
        lines = [["what is sent", *(f"{name} {self.versions[name]}" for name in gateways)]]
        lines += [["---"] * (len(gateways) + 1)]
        for case in dict.fromkeys(case for case, _ in self.cells):
            lines.append([case, *(self.cells.get((case, name), "") for name in gateways)])
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def keep(self, complete: bool) -> None:
        """Leave what was recorded where `write` finds it."""
        RESULTS.parent.mkdir(exist_ok=True)
        cells = [[*key, outcome] for key, outcome in self.cells.items()]
        said = {"complete": complete, "versions": self.versions, "cells": cells}
        RESULTS.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def kept() -> Contract:
    """What the last run recorded. Raises SystemExit when it was not all of it."""
    said = json.loads(RESULTS.read_text(encoding="utf-8"))
    if not said["complete"]:
        raise SystemExit("the last run left out tests that record, so no table is made of it; " + REMEDY)
    return Contract({(case, gateway): outcome for case, gateway, outcome in said["cells"]}, said["versions"])


def committed() -> Contract:
    """The table in the docs, read back."""
    contract = Contract()
    head, _, *lines = [
        re.split(r" \| ", line.removeprefix("| ").removesuffix(" |")) for line in _parts()[1].splitlines()
    ]
    names = [name.rpartition(" ") for name in head[1:]]
    contract.versions = {name: version for name, _, version in names}
    for case, *outcomes in lines:
        contract.cells.update(
            {(case, name): outcome for (name, _, _), outcome in zip(names, outcomes, strict=True) if outcome}
        )
    return contract


def write(contract: Contract) -> None:
    """Put the table into the docs."""
    before, _, after = _parts()
    PAGE.write_text(before + contract.table() + after, encoding="utf-8")


def _parts() -> tuple[str, str, str]:
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    table, end, after = rest.partition(END)
    return before + begin, table, end + after


if __name__ == "__main__":
    write(kept())
