"""Fixtures that every test may use."""

from __future__ import annotations

import pytest
from hypothesis import settings

from phantomgate.backends.blocking import finish
from phantomgate.testing import FakeClock, on_a_loop

settings.register_profile("phantomgate", deadline=None)  # a slow machine is not a failure
settings.load_profile("phantomgate")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With tests on several processes (`-n`): a file's tests stay together, and those with real servers all do.

    The latter record together what the tables in the docs are held equal to.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "interop" if nodeid.startswith("tests/interop/") else nodeid.partition("::")[0]

    return Together(config, log)


@pytest.fixture(params=[finish, on_a_loop], ids=["blocking", "loop"])
def drive(request):
    """Runs a coroutine by each driver in turn: what works on one colour works on the other."""
    return request.param


@pytest.fixture
def clock():
    """A clock that moves only when told to."""
    return FakeClock()
