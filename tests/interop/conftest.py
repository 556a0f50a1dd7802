"""The matrix of what ran: one for the whole run, and looked at last; and a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from interop.cdk_app import synthesise
from interop.contract_table import Contract
from interop.matrix import Matrix
from interop.needs import command, needs

HERE = Path(__file__).parent
RECORDED = pytest.StashKey[Matrix]()
CONTRACT = pytest.StashKey[Contract]()
LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure(config):
    config.stash[RECORDED] = Matrix()
    config.stash[CONTRACT] = Contract()
    config.stash[LEFT_OUT] = [argument for argument in config.args if "::" in argument]


def pytest_collection_modifyitems(items):
    last = ("test_matrix.py", "test_contract_table.py")
    items.sort(key=lambda item: item.path.name in last)  # stable, so only these move: to the end


def pytest_deselected(items):
    for item in items:
        if {"matrix", "contract"} & set(item.fixturenames):
            item.config.stash[LEFT_OUT].append(item.nodeid)


def pytest_collection_finish(session):
    collected = {item.path for item in session.items}
    session.config.stash[LEFT_OUT] += [
        path.name for path in HERE.glob("test_*.py") if path not in collected and _records(path)
    ]


def _records(path):
    return re.search(r"\brecord(_check)?\(", path.read_text(encoding="utf-8"))


def pytest_sessionfinish(session):
    matrix = session.config.stash[RECORDED]
    contract = session.config.stash[CONTRACT]
    if contract.cells:
        contract.keep(complete=not session.config.stash[LEFT_OUT] and not session.testsfailed)
    if matrix.rows:
        matrix.keep(complete=not session.config.stash[LEFT_OUT] and not session.testsfailed)


@pytest.fixture(scope="session")
def matrix(request):
    """Where a test says what it ran, when it ran well."""
    return request.config.stash[RECORDED]


@pytest.fixture(scope="session")
def contract(request):
    """Where the contract suite says what came of a case at a gateway."""
    return request.config.stash[CONTRACT]


@pytest.fixture(scope="session")
def left_out(request):
    """Tests and files that record and are not part of this run."""
    return request.config.stash[LEFT_OUT]


@pytest.fixture(scope="module")
def browser():
    """Chromium."""
    from playwright.sync_api import expect, sync_playwright

    from demo.visiting import PATIENCE
    from interop.spa_visitor import FLAGS

    needs("Chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=command("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, world):
    """Opens the app of *world* in a browser of its own, and in the end sees that all went well."""
    from interop.spa_visitor import Visitor

    visitors = []

    def visit(**how):
        visitors.append(Visitor(browser, world, **how))
        return visitors[-1]

    try:
        yield visit
        for visitor in visitors:
            visitor.went_well()
    finally:
        for visitor in visitors:
            visitor.close()


@pytest.fixture(scope="session")
def cdk_app(tmp_path_factory):
    """The CDK app, synthesised once."""
    needs("the AWS CDK")
    return synthesise(tmp_path_factory.mktemp("cdk") / "app")
