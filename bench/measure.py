"""What a figure is: CPU of a process tree, memory, load from wrk, and the middle of several rounds.

CPU is the scheduler's own count of nanoseconds run (`/proc/PID/task/*/schedstat`), user and kernel together, of every
thread of every process of a server: a busy neighbour makes a run longer, hardly dearer. Throughput and latency do feel
the neighbours, so servers take turns within a round and are compared within that round only.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOAD = Path(__file__).with_name("load.lua")


class Broken(Exception):
    """A benchmark can't be believed: a wrong answer, a server that died. The run ends with exit code 1."""


class Missing(Exception):
    """A program that the benchmark needs is not installed. The benchmark is skipped and named."""


def tree(pid: int) -> list[int]:
    """*pid* and every process below it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*"):
            try:
                found.extend(int(child) for child in (task / "children").read_text().split())
            except OSError:
                continue
    return found


def cpu_ns(pid: int) -> int:
    """Nanoseconds that the tree of *pid* has run."""
    total = 0
    for one in tree(pid):
        for task in Path(f"/proc/{one}/task").glob("*"):
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                continue
    return total


def memory_bytes(pid: int) -> int:
    """Proportional set size of the tree of *pid*: pages that processes share are counted once."""
    total = 0
    for one in tree(pid):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw, and what it cost the servers that were watched (microseconds of CPU a request)."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float
    cpu_us: Mapping[str, float]

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def total_us(self) -> float:
        """CPU of all watched servers together, microseconds a request."""
        return sum(self.cpu_us.values())


def wrk(url: str, pids: Mapping[str, int], words: Sequence[str], *, seconds: float, connections: int = 32) -> Load:
    """Load *url* for *seconds*; *words* are the arguments of load.lua. Raises Broken unless every answer was 2xx."""
    before = {name: cpu_ns(pid) for name, pid in pids.items()}
    process = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "5s", "-s", str(LOAD), url,
         "--", *words],
        capture_output=True, text=True, timeout=seconds + 60, check=False,
    )  # fmt: skip
    after = {name: cpu_ns(pid) for name, pid in pids.items()}
    lines = [line for line in process.stdout.splitlines() if line.startswith("RESULT ")]
    if process.returncode or not lines:
        raise Broken(f"wrk {url}: {process.stdout}{process.stderr}")
    seen = json.loads(lines[0].removeprefix("RESULT "))
    if seen["status"] or seen["socket"] or not seen["requests"]:
        raise Broken(f"wrk {url}: {seen['status']} answers not 2xx, {seen['socket']} lost, of {seen['requests']}")
    return Load(
        seen["requests"],
        seen["microseconds"] / 1e6,
        seen["p50"],
        seen["p99"],
        {name: (after[name] - before[name]) / 1000 / seen["requests"] for name in pids},
    )


def interleave(
    runs: Mapping[str, Callable[[], Load]], rounds: int, say: Callable[[str], None]
) -> dict[str, list[Load]]:
    """Every run once a round, in an order that turns, so that nobody always comes after the same neighbour."""
    names = list(runs)
    results: dict[str, list[Load]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            load = runs[name]()
            results[name].append(load)
            cpu = ", ".join(f"{who} {cost:.1f}" for who, cost in load.cpu_us.items())
            say(f"  round {number + 1}/{rounds}  {name:<34} {load.per_second:>9,.0f}/s   CPU us/request: {cpu}")
    return results


def median(loads: Sequence[Load], what: Callable[[Load], float]) -> float:
    """The middle of *what* over the rounds."""
    return statistics.median(what(load) for load in loads)


def ratio(ours: Sequence[Load], theirs: Sequence[Load], what: Callable[[Load], float]) -> float:
    """The middle of ours / theirs, compared round by round."""
    return statistics.median(what(one) / what(other) for one, other in zip(ours, theirs, strict=True))
