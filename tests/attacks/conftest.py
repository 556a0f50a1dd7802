"""Fixtures of the attacks, and the count of executed cases at the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import certificates
from attacks.authority import Authority
from attacks.cases import NOT_EXECUTED
from attacks.harness import Gate, LoopThread

_OUTCOMES: dict[str, set[str]] = {}
"""Case id -> how its tests ended in this run."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    # A report's properties travel: with tests on several processes, the one that counts runs none itself.
    item.user_properties += [("attack", mark.args[0]) for mark in item.iter_markers("attack")]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, case in report.user_properties:
        if name == "attack" and (report.when == "call" or report.outcome != "passed"):
            _OUTCOMES.setdefault(str(case), set()).add(report.outcome)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _OUTCOMES:
        executed = sum(outcomes == {"passed"} for outcomes in _OUTCOMES.values())
        failed = len(_OUTCOMES) - executed
        terminalreporter.write_line(
            f"attack cases: {executed} executed, "
            + (f"{failed} failed or skipped, " if failed else "")
            + f"{len(NOT_EXECUTED)} not executed (tests/vectors/not_executed.json)"
        )


@pytest.fixture(scope="session")
def loop() -> Iterator[LoopThread]:
    """One event loop for all gates of a run."""
    loop = LoopThread()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    """The only authority on certificates that gates believe, unless a test says otherwise."""
    return certificates.Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def authority() -> Iterator[Authority]:
    """The scripted authorization server of one test."""
    authority = Authority()
    yield authority
    authority.close()


@pytest.fixture
def serve(loop: LoopThread, authority: Authority, ca: certificates.Authority) -> Iterator[Callable[..., Gate]]:
    """Serves a gate with the options of `Gate`; all of them end with the test."""
    gates: list[Gate] = []

    def start(to: Authority = authority, **options: Any) -> Gate:
        gates.append(Gate(loop, to, **{"ca_file": ca.ca_file, **options}))
        return gates[-1]

    yield start
    for gate in gates:
        gate.close()
