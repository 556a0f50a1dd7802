"""Fixtures that every test may use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import settings

from phantomgate.backends.blocking import finish
from phantomgate.testing import FakeClock, on_a_loop

settings.register_profile("phantomgate", deadline=None)  # a slow machine is not a failure
settings.load_profile("phantomgate")

RECORDS = re.compile(r"\brecord(_check)?\(|\bdef test_.*\b(matrix|contract)\b")
"""What a file says whose tests record what ran, or look at that."""
CDK = ("tests/interop/test_aws_cdk.py", "tests/interop/test_aws_policies.py")  # one app, synthesised once
WAITS = ("cdk", "tests/interop/", "tests/chaos/", "tests/demo/", "tests/servers/", "tests/properties/")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With tests on several processes (`-n`): a file's tests stay together, and so do those that record what ran.

    The tables in the docs are held equal to what one process has recorded. That lasts longest and is first; then come
    the files that mostly wait for servers and processes, and the many small ones fill what is left.
    """
    from xdist.scheduler import LoadScopeScheduling

    def recorded(file):
        return Path(file).parent.name == "interop" and RECORDS.search((config.rootpath / file).read_text("utf-8"))

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            if file not in scopes:
                scopes[file] = "recorded" if recorded(file) else "cdk" if file in CDK else file
            return scopes[file]

        def _assign_work_unit(self, node):
            longest = max(self.workqueue, key=lambda one: (one == "recorded", one.startswith(WAITS), self._tests(one)))
            self.workqueue.move_to_end(longest, last=False)
            super()._assign_work_unit(node)

        def _tests(self, scope):
            return len(self.workqueue[scope])

    scopes = {}
    return Together(config, log)


@pytest.fixture(params=[finish, on_a_loop], ids=["blocking", "loop"])
def drive(request):
    """Runs a coroutine by each driver in turn: what works on one colour works on the other."""
    return request.param


@pytest.fixture
def clock():
    """A clock that moves only when told to."""
    return FakeClock()
