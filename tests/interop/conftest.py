"""Fixtures for tests that drive Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect, sync_playwright

from interop.needs import command, needs
from interop.spa_visitor import FLAGS, Visitor


@pytest.fixture(scope="module")
def browser():
    needs("Chromium")
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=command("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, world):
    """Opens the app in a browser of its own, and in the end sees that all went well."""
    visitors = []

    def visit(**how):
        visitors.append(Visitor(browser, world, **how))
        return visitors[-1]

    yield visit
    for visitor in visitors:
        visitor.went_well()
        visitor.context.close()
