"""What a benchmark hands back, and how it is printed: a table, the floors, and notes in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Floor:
    """A ratio we promised: at most (or at least) *bound*."""

    name: str
    value: float
    bound: float
    at_most: bool

    @property
    def met(self) -> bool:
        """Whether the promise was kept this time."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def __str__(self) -> str:
        verdict = "pass" if self.met else "MISSED"
        limit = "at most" if self.at_most else "at least"
        return f"{verdict:<6}  {self.name}: {self.value:.2f} (floor: {limit} {self.bound:.2f})"


@dataclass(frozen=True, slots=True)
class Report:
    """One benchmark's figures."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    floors: Sequence[Floor] = ()
    notes: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """For bench/results/."""
        floors = [{**asdict(floor), "met": floor.met} for floor in self.floors]
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"name": self.name, "rows": rows, "floors": floors, "notes": list(self.notes)}

    def __str__(self) -> str:
        widths = [max(len(line[i]) for line in (self.columns, *self.rows)) for i in range(len(self.columns))]
        lines = ["", f"== {self.name}", ""]
        for line in (self.columns, *self.rows):
            cells = [
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            lines.append("  " + "  ".join(cells).rstrip())
        lines += ["", *(f"  {floor}" for floor in self.floors), *(f"  note: {note}" for note in self.notes)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Run:
    """What every benchmark is given: how thorough to be, where to put files, and whom to tell."""

    smoke: bool
    rounds: int
    seconds: float
    folder: Path
    expires_at: int
    say: Callable[[str], None] = field(repr=False, default=print)
