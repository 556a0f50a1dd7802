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

CHECKED = "<!-- checked, and made by `make interop` -->\n"
UNRUN = {
    "APISIX": ("`forward-auth`", "apisix"),
    "Kong, by its serverless functions": ("Lua, `/decide`", "kong-functions"),
    "Istio": ("`CUSTOM` authorization, `envoyExtAuthzHttp`", "istio"),
    "Envoy Gateway": ("`SecurityPolicy`", "envoy-gateway"),
    "Gloo Gateway": ("custom external authorization", "gloo"),
    "Azure API Management": ("`/exchange`, by a policy", "azure-apim"),
    "Apigee": ("`/exchange`, by policies of a proxy", "apigee"),
}
"""Gateways without a binary: how each asks, and its guide."""

PAGE = ROOT / "docs" / "reference" / "gateways.md"
RESULTS = ROOT / ".cache" / "contract.json"


@dataclass
class Contract:
    """What a run recorded: (case, gateway) -> outcome, in the order in which it was seen; each one's version; and what
    the configuration of those that nobody can run was held against.
    """

    cells: dict[tuple[str, str], str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)

    def record_check(self, gateway: str, by: str) -> None:
        """Say at the end of a test what found nothing wrong with the files for *gateway*, and with which of them."""
        assert gateway in UNRUN, gateway
        assert self.checks.setdefault(gateway, by) == by

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

    def checked(self) -> str:
        """A line for each gateway that nobody can run."""
        lines = [("gateway", "how it asks", "configuration not run", "guide"), ("---",) * 4]
        for name, (how, guide) in UNRUN.items():
            by = self.checks.get(name)
            lines.append((name, how, f"checked: {by}" if by else "not checked", f"[{guide}](../how-to/{guide}.md)"))
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def keep(self, complete: bool) -> None:
        """Leave what was recorded where `write` finds it."""
        RESULTS.parent.mkdir(exist_ok=True)
        cells = [[*key, outcome] for key, outcome in self.cells.items()]
        said = {"complete": complete, "versions": self.versions, "cells": cells, "checks": self.checks}
        RESULTS.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def kept() -> Contract:
    """What the last run recorded. Raises SystemExit when it was not all of it."""
    said = json.loads(RESULTS.read_text(encoding="utf-8"))
    if not said["complete"]:
        raise SystemExit("the last run left out tests that record, so no table is made of it; " + REMEDY)
    cells = {(case, gateway): outcome for case, gateway, outcome in said["cells"]}
    return Contract(cells, said["versions"], said["checks"])


def committed() -> Contract:
    """The table in the docs, read back."""
    contract = Contract()
    head, _, *lines = [
        re.split(r" \| ", line.removeprefix("| ").removesuffix(" |")) for line in _parts(BEGIN)[1].splitlines()
    ]
    names = [name.rpartition(" ") for name in head[1:]]
    contract.versions = {name: version for name, _, version in names}
    for case, *outcomes in lines:
        contract.cells.update(
            {(case, name): outcome for (name, _, _), outcome in zip(names, outcomes, strict=True) if outcome}
        )
    for line in _parts(CHECKED)[1].splitlines()[2:]:
        name, _, said, _ = re.split(r" \| ", line.removeprefix("| ").removesuffix(" |"))
        if said != "not checked":
            contract.checks[name] = said.removeprefix("checked: ")
    return contract


def write(contract: Contract) -> None:
    """Put both tables into the docs."""
    for begin, table in ((BEGIN, contract.table()), (CHECKED, contract.checked())):
        before, _, after = _parts(begin)
        PAGE.write_text(before + table + after, encoding="utf-8")


def _parts(mark: str) -> tuple[str, str, str]:
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(mark)
    table, end, after = rest.partition(END)
    return before + begin, table, end + after


if __name__ == "__main__":
    write(kept())
