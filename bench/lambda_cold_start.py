"""Lambda functions from nothing to their first answer, each beside a Node handler that does what Node authorizers do.

Ours is what `phantomgate package` puts into the zip; `lambda_world` has the servers, settings and events. Each runs in
a process of its own, both take turns, and a ratio is the middle one of all rounds. CPU is that of the process from its
first instruction to its first answer. Wall time has the handshakes in it, and the server's part of them: it is what a
caller waits for, and believable on a machine that does nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from lambda_world import Path as Way
from lambda_world import world
from measure import Broken, Missing
from report import Floor, Report, Run

PEERS = Path(__file__).parent / "peers"
SPAWNED, CPU, STARTED, STARTED_CPU = "spawn to answer", "CPU of that", "import and first answer", "CPU of that too"
WARM, WARM_CPU = "warm answer", "CPU of a warm answer"
FLOORS = {
    ("phantom", SPAWNED): 0.75,
    ("phantom", STARTED): 1.0,
    ("phantom", WARM): 0.6,
    ("JWT", SPAWNED): 0.5,
    ("cookie", SPAWNED): 0.9,
}
"""What was promised of ours / Node's."""

Laps = dict[str, list[float]]


def lambda_cold_start(run: Run) -> Report:
    """Milliseconds of each path, ours and Node's, and their ratios."""
    node = shutil.which("node")
    if not node:
        raise Missing("node is not installed")
    rounds, warm = (3, 5) if run.smoke else (max(15, run.rounds), 200)
    rows: list[list[str]] = []
    floors: list[Floor] = []
    notes = [
        "the Node handlers check no status, media type, expiry of an answer, or `typ`, and keep their connection",
        "the server is a thread of this program, whose time is in both columns",
        f"{rounds} rounds; load before them {' '.join(f'{load:.1f}' for load in os.getloadavg())}",
    ]
    with world(run, warm) as (ways, skipped):
        notes += skipped
        for way in ways:
            ours, theirs = _measured(way, node, rounds)
            for name in ours:
                ratio = statistics.median(one / other for one, other in zip(ours[name], theirs[name], strict=True))
                row = [way.name, name, *(f"{statistics.median(laps):.1f}" for laps in (ours[name], theirs[name]))]
                rows.append([*row, f"{ratio:.2f}"])
                if (way.name, name) in FLOORS:
                    bound = FLOORS[way.name, name]
                    floors.append(Floor(f"{way.name}, {name} / Node", ratio, bound, at_most=True))
            run.say(f"  {way.name}: {rounds} rounds")
    return Report("lambda_cold_start", ["path", "what", "phantomgate ms", "Node ms", "ratio"], rows, floors, notes)


def _measured(way: Way, node: str, rounds: int) -> tuple[Laps, Laps]:
    python = [sys.executable, "-S", "-s", str(PEERS / "lambda_run.py"), str(way.events)]
    theirs = [node, str(PEERS / "lambda_run.js"), str(way.events), str(way.peer)]
    found: dict[str, Laps] = {"ours": {}, "theirs": {}}

    def ours_once() -> dict[str, float]:
        said = _once(python, way)
        # measured by itself, as what the runtime has imported before is not ours
        again = _once([*python, "preloaded"], way)
        return {**said, STARTED: again[STARTED], STARTED_CPU: again[STARTED_CPU]}

    def theirs_once() -> dict[str, float]:
        return _once(theirs, way)

    for number in range(rounds + 1):
        turns = [("ours", ours_once), ("theirs", theirs_once)]
        for who, once in reversed(turns) if number % 2 else turns:
            said = once()
            if number:  # the first round fills the disk's cache
                for name, milliseconds in said.items():
                    found[who].setdefault(name, []).append(milliseconds)
    return found["ours"], found["theirs"]


def _once(command: Sequence[str], way: Way) -> dict[str, float]:
    with TemporaryFile("w+") as log:
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=dict(way.environ)) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            spawned = (time.perf_counter() - began) * 1000
            rest = process.stdout.readline()
        if process.returncode:
            log.seek(0)
            raise Broken(f"{command[0]} ended with {process.returncode} on the {way.name} path: {log.read()[-2000:]}")
    said, warm = json.loads(first), json.loads(rest)
    if said["context"] != way.wanted:
        raise Broken(f"{command[0]} answered {said['context']!r} on the {way.name} path, want {way.wanted!r}")
    times = {SPAWNED: spawned, CPU: said["cpu"], STARTED: said["started"], STARTED_CPU: said["started_cpu"]}
    return {**times, WARM: warm["wall"], WARM_CPU: warm["cpu"]}
