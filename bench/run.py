"""Every benchmark beside its peer, as ratios from one run.

    python bench/run.py [--smoke] [--only NAME] [--rounds N]

Prints what was measured with what, a table a benchmark, and whether each floor was met. A missed floor says MISSED and
is no failure: times belong to the machine. The exit code is 1 when a benchmark itself is broken, such as by a wrong
answer. Everything is kept as JSON in bench/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from asgi_middleware import asgi_middleware
from bad_days import bad_days
from cached_decision import cached_decision, cached_decision_million
from gateways import gateways
from jwt_verify import jwt_verify
from lambda_cold_start import lambda_cold_start
from measure import Missing
from memory_per_token import memory_per_token
from miss import miss
from nginx_throughput import nginx_throughput
from purge import purge
from report import Report, Run
from session_decision import session_decision
from shared_cache import shared_cache

BENCHMARKS: dict[str, Callable[[Run], Report]] = {
    "cached_decision": cached_decision,
    "nginx_throughput": nginx_throughput,
    "miss": miss,
    "memory_per_token": memory_per_token,
    "cached_decision_million": cached_decision_million,
    "jwt_verify": jwt_verify,
    "lambda_cold_start": lambda_cold_start,
    "asgi_middleware": asgi_middleware,
    "session_decision": session_decision,
    "gateways": gateways,
    "bad_days": bad_days,
    "shared_cache": shared_cache,
    "purge": purge,
}
RESULTS = Path(__file__).with_name("results")
PACKAGES = (
    "uvicorn",
    "httptools",
    "uvloop",
    "aiohttp",
    "cryptography",
    "PyJWT",
    "joserfc",
    "starlette",
    "redis",
    "hiredis",
)


def main() -> int:
    """Run what was asked for; the exit code."""
    words = argparse.ArgumentParser(description="phantomgate beside its peers, as ratios")
    words.add_argument(
        "--smoke", action="store_true", help="short: proves that everything runs; the figures mean little"
    )
    words.add_argument("--only", choices=list(BENCHMARKS), action="append", help="this one (may be given again)")
    words.add_argument(
        "--rounds", type=int, default=0, metavar="N", help="rounds a benchmark (default 7; 1 in a smoke run)"
    )
    given = words.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended on the way out
    facts = machine()
    print("\n".join(f"{name}: {value}" for name, value in facts.items()), flush=True)
    reports, broken = [], 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="phantomgate-bench-", dir=_scratch()) as scratch:
        run = Run(
            smoke=given.smoke,
            rounds=given.rounds or (1 if given.smoke else 7),
            seconds=1 if given.smoke else 3,
            folder=Path(scratch),
            expires_at=int(time.time()) + 7200,
            say=lambda line: print(line, flush=True),
        )
        for name in given.only or BENCHMARKS:
            print(f"\n{name} ...", flush=True)
            try:
                report = BENCHMARKS[name](run)
            except Missing as what:
                print(f"  skipped: {what}", flush=True)
            except Exception:  # noqa: BLE001 - the others still run; this one makes the exit code 1
                broken += 1
                traceback.print_exc()
            else:
                reports.append(report)
                print(report, flush=True)
    _keep(facts, reports)
    _summary(reports, broken, time.monotonic() - started)
    return 1 if broken else 0


def machine() -> dict[str, str]:
    """The machine and every version that a figure depends on."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + " UTC",
        "machine": f"{os.cpu_count()} x {cpu[1] if cpu else platform.machine()}, Linux {platform.release()}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "python": f"{platform.python_version()}, {_built()}",
        **{package: _version(package) for package in PACKAGES},
        "node": _said("node", "--version"),
        "nginx": _said("nginx", "-v"),
        **{f"nginx {name}": _packaged(f"libnginx-mod-http-{name}") for name in ("lua", "js", "set-misc")},
        "wrk": _said("wrk", "-v"),
        "haproxy": _said("haproxy", "-v"),
        "grpcio": _version("grpcio"),
        "redis-server": _said("redis-server", "--version"),
    }


def _built() -> str:
    """How the interpreter was compiled, as far as it says: that is worth a tenth of all Python's figures."""
    words = str(sysconfig.get_config_var("CONFIG_ARGS"))
    return "profile-guided build" if "--enable-optimizations" in words else "not known to be a profile-guided build"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _said(name: str, flag: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if not found:
        return "not installed"
    done = subprocess.run([found, flag], capture_output=True, text=True, check=False, timeout=10)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def _packaged(package: str) -> str:
    if not shutil.which("dpkg-query"):
        return "unknown"
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False, timeout=10
    )
    return done.stdout or "not installed"


def _scratch() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - memory, so that no disk is measured


def _keep(facts: dict[str, str], reports: list[Report]) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.json"
    path.write_text(json.dumps({"environment": facts, "reports": [report.as_json() for report in reports]}, indent=1))
    print(f"\nkept in {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


def _summary(reports: list[Report], broken: int, seconds: float) -> None:
    floors = [floor for report in reports for floor in report.floors]
    print("\nfloors")
    for floor in floors:
        print(f"  {floor}")
    missed = sum(not floor.met for floor in floors)
    met = len(floors) - missed
    print(f"\n{len(reports)} benchmarks, {met} floors met, {missed} missed, {broken} broken, {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
