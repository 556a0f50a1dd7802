"""What things cost: from the benchmarks' own results, and from a file when they didn't run here.

Rule: a cost is a figure that a benchmark measured, of the newest run that has it, with its date and machine.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fleet import Costs

KEPT = Path(__file__).with_name("costs.json")
RESULTS = Path(__file__).parents[1] / "results"
OURS = "phantomgate"
PLACES = {
    "hit_us": ("cached_decision", "server", OURS, "CPU us/request"),
    "shared_us": ("shared_cache", "known from Redis", "a decision", "CPU us"),
    "miss_us": ("miss", "server", OURS, "CPU us/miss"),
    "token_bytes": ("memory_per_token", "cache", "phantomgate Cached + MemoryCache", "bytes/token"),
    "worker_mb": ("cached_decision", "server", OURS, "memory MB"),
}
"""Cost -> benchmark, the column of names, the name, and the column of figures."""


def kept() -> Costs:
    """As they stand in `costs.json`."""
    return Costs(**json.loads(KEPT.read_text(encoding="utf-8")))


def learn(results: Path = RESULTS) -> Costs:
    """From the newest results of every benchmark that has one. Raises SystemExit naming those that are missing."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"), reverse=True)]
    found: dict[str, float] = {}
    date = machine = ""
    for cost, place in PLACES.items():
        for run in runs:
            figure = _figure(run, place)
            if figure is not None:
                found[cost] = figure
                date, machine = max((date, machine), (run["environment"]["date"], run["environment"]["machine"]))
                break
    missing = [place[0] for cost, place in PLACES.items() if cost not in found]
    if missing:
        named = " ".join(f"--only {name}" for name in dict.fromkeys(missing))
        raise SystemExit(f'nothing was measured of {", ".join(missing)}; run: make bench ARGS="{named}"')
    return Costs(date=date, machine=machine, **found)


def keep(costs: Costs) -> None:
    """Put them into `costs.json`."""
    KEPT.write_text(json.dumps(asdict(costs), indent=2) + "\n", encoding="utf-8")


def _figure(run: dict[str, Any], place: tuple[str, str, str, str]) -> float | None:
    benchmark, names, name, column = place
    for report in run["reports"]:
        if report["name"] == benchmark:
            for row in report["rows"]:
                if row.get(names) == name:
                    return float(row[column].replace(",", ""))
    return None
