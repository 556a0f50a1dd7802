"""Fixtures of the agent's tests."""

from __future__ import annotations

import pytest

from agent.world import Browser, World


@pytest.fixture
def world(drive, clock):
    """An agent and its server, by each driver in turn."""
    return World(drive, clock)


@pytest.fixture
def browser(world):
    """A browser without any cookie."""
    return Browser(world)
