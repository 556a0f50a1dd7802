"""Fixtures for the commands."""

from __future__ import annotations

import pytest

from loopback_server import loopback_server


@pytest.fixture
def server():
    """An authorization server that says `TOKEN` is active and every other is not."""
    with loopback_server() as running:
        yield running
