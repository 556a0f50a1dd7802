"""Fixtures of the agent's tests."""

from __future__ import annotations

import pytest

from agent.world import Browser, World
from phantomgate.adapters.aws_agent import Form
from phantomgate.backends.blocking import finish
from phantomgate.testing import on_a_loop

WAYS = {
    "blocking": (finish, None),
    "loop": (on_a_loop, None),
    "lists": (finish, Form.LISTS),
    "cookies": (finish, Form.COOKIES),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def world(request, clock):
    """An agent and its server: asked by each driver in turn, and through each form of Lambda's events."""
    drive, form = request.param
    return World(drive, clock, form=form)


@pytest.fixture
def browser(world):
    """A browser without any cookie."""
    return Browser(world)
