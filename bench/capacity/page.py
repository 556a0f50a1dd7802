"""The tables and plots of docs/explanation/capacity.md, made by the simulation and by nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
from fleet import Costs, Fleet, Traffic
from planning import plan
from simulation import World, simulate
from tables import table

mpl.use("svg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

DOCS = Path(__file__).parents[2] / "docs" / "explanation"
PAGE = DOCS / "capacity.md"
PLOTS = DOCS / "capacity"
STYLE = {
    "svg.hashsalt": "phantomgate", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e3e3e3",
    "legend.frameon": False, "figure.figsize": (7.2, 3.6), "figure.constrained_layout.use": True,
    "axes.prop_cycle": plt.cycler(color=["#0b6e4f", "#b3541e", "#3d5a99", "#7a3b7a"]),
}  # fmt: skip
KINDS = {
    "memory alone": Fleet(),
    "memory, spread by token": Fleet(sticky=True),
    "with Redis": Fleet(redis=True),
}
SIZES = {
    "a team's APIs": (Traffic(500, 5_000), Fleet(machines=2, workers=1)),
    "a company": (Traffic(5_000, 100_000), Fleet(machines=2, workers=2)),
    "a large one": (Traffic(50_000, 1_000_000), Fleet(machines=4, workers=4)),
    "consumers": (Traffic(200_000, 10_000_000), Fleet(machines=12, workers=8)),
}


def write(costs: Costs, *, seed: int, most: int) -> None:
    """Draw everything anew, and put the tables into the page."""
    PLOTS.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        _machines(seed, most // 4)
        _max_age(seed, most // 4)
        _cpus(costs, seed, most // 4)
        _restart(seed)
    _put("sizes", _sizes(costs, seed, most))
    _put("costs", _costs(costs))


def _machines(seed: int, most: int) -> None:
    """Questions against the number of machines."""
    counts = (1, 2, 3, 4, 6, 8, 12, 16)
    figure, axes = plt.subplots()
    for name, fleet in KINDS.items():
        _said(f"questions by machines, {name}")
        asked = [_asked(Traffic(), replace(fleet, machines=count), seed, most) for count in counts]
        axes.plot(counts, asked, marker="o", markersize=4, label=name)
    _label(axes, "machines of 4 workers", "questions to the server, 1/s")
    _save(figure, "machines")


def _max_age(seed: int, most: int) -> None:
    """What reaches the server against how long an answer is remembered."""
    ages = (10, 30, 60, 120, 300, 600, 1200)
    figure, axes = plt.subplots()
    for name, fleet in KINDS.items():
        _said(f"questions by max_age, {name}")
        asked = [_asked(Traffic(), replace(fleet, max_age=float(age)), seed, most) for age in ages]
        axes.plot(ages, asked, marker="o", markersize=4, label=name)
    axes.set_xscale("log")
    axes.set_xticks(ages, [f"{age} s" if age < 60 else f"{age // 60} min" for age in ages])
    axes.minorticks_off()
    _label(axes, "cache.max_age", "questions to the server, 1/s")
    _save(figure, "max-age")


def _cpus(costs: Costs, seed: int, most: int) -> None:
    """CPUs against requests, the tokens growing with them."""
    rates = (1_000, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000)
    figure, axes = plt.subplots()
    for name, fleet in KINDS.items():
        _said(f"CPUs by requests, {name}")
        busy = []
        for rate in rates:
            traffic = Traffic(rate, rate * 20)
            seen = simulate(traffic, fleet, seed=seed, most=most)
            busy.append(plan(traffic, fleet, seen, costs).cpus)
        axes.plot([rate / 1000 for rate in rates], busy, marker="o", markersize=4, label=name)
    _label(axes, "thousand requests/s, twenty tokens for each request/s", "busy CPUs of phantomgate")
    _save(figure, "cpus")


def _restart(seed: int) -> None:
    """Questions a second around a restart of every machine at once, and of one a minute."""
    traffic, scale = Traffic(2_000, 40_000), 1.0
    figure, axes = plt.subplots()
    for name, fleet, apart in (
        ("at once, memory alone", Fleet(), 0),
        ("one a minute, memory alone", Fleet(), 60),
        ("at once, with Redis", Fleet(redis=True), 0),
    ):
        _said(f"a restart {name}")
        world = World(traffic, fleet, seed=seed, scale=scale)
        world.run(2 * fleet.max_age)
        asked = []
        for second in range(-60, 360, 4):
            for machine in range(fleet.machines):
                if 0 <= second - machine * apart < 4:
                    world.restart(machine)
            asked.append(world.run(4).asked)
        axes.plot(range(-60, 360, 4), asked, label=name, linewidth=1.4)
    _label(axes, "seconds since the restart began", "questions to the server, 1/s")
    _save(figure, "restart")


def _asked(traffic: Traffic, fleet: Fleet, seed: int, most: int) -> float:
    return simulate(traffic, fleet, seed=seed, most=most).asked


def _sizes(costs: Costs, seed: int, most: int) -> str:
    lines: list[Sequence[str]] = []
    for name, (traffic, fleet) in SIZES.items():
        rows = [
            (
                f"{name}: {traffic.requests:,.0f}/s, {traffic.tokens:,} tokens, {fleet.machines} x {fleet.workers}",
                traffic,
                fleet,
            ),
            (f"{name}, with Redis", traffic, replace(fleet, redis=True)),
        ]
        head, *rest = table(rows, costs, seed=seed, most=most)
        lines += rest if lines else [head, ["---"] * len(head), *rest]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _costs(costs: Costs) -> str:
    rows = [
        ("a decision from memory", f"{costs.hit_us:.0f} µs of CPU", "`cached_decision`"),
        ("a decision from Redis", f"{costs.shared_us:.0f} µs", "`shared_cache`"),
        ("a decision that asks", f"{costs.miss_us:.0f} µs; with Redis {costs.of_miss(redis=True):.0f} µs", "`miss`"),
        ("a remembered token", f"{costs.token_bytes / 1000:.2f} kB", "`memory_per_token`"),
        ("a worker", f"{costs.worker_mb:.0f} MB", "`cached_decision`"),
    ]
    lines = [("what", "costs", "benchmark"), ("---",) * 3, *rows]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{table}\nMeasured {costs.date} on {costs.machine}.\n"


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_ylim(bottom=0)
    axes.legend()


def _save(figure: plt.Figure, name: str) -> None:
    figure.savefig(PLOTS / f"{name}.svg", metadata={"Date": None}, facecolor="white")
    plt.close(figure)


def _put(name: str, text: str) -> None:
    begin, end = f"<!-- made by `make capacity`: {name} -->\n", f"<!-- end of {name} -->"
    page = PAGE.read_text(encoding="utf-8")
    made, count = re.subn(
        f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", page, flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"{PAGE.name}: no place for {name}")
    PAGE.write_text(made, encoding="utf-8")


def _said(what: str) -> None:
    print(f"  {what} ...", flush=True)
