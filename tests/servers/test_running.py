"""Readiness and probing, without a process."""

from __future__ import annotations

import asyncio

from phantomgate.config.log import Level
from phantomgate.config.observe import merge
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.servers.running import Plan, Run
from phantomgate.servers.sockets import Bound


class Told:
    def __init__(self):
        self.lines = []

    def say(self, level, event, **fields):
        self.lines.append((level, event, fields))

    def of(self, event):
        return [fields for _, name, fields in self.lines if name == event]


def run(*answers):
    """A run whose probes give *answers* in turn; an exception is raised."""
    left = list(answers)

    async def probe():
        answer = left.pop(0)
        if isinstance(answer, Exception) and not isinstance(answer, Refused):
            raise answer
        return answer

    plan = Plan(
        listen=Bound("a", []),
        manage=Bound("b", []),
        workers=1,
        drain=1.0,
        command=(),
        environ={},
        start={},
        probe=probe,
        log=Told(),
        dropped=lambda: 3,
        ticks=lambda: 0.0,
        jitter=lambda: -1.0,  # so that nothing is slept away
    )
    return Run(plan)


def probed(one):
    asyncio.run(one._probe_until_seen())
    return one


def test_readiness_has_one_reason_at_a_time_the_first_to_mend():
    one = run()
    assert "no_worker" == one.unready()["reason"]
    one.supervisor.workers[0].ready = True
    assert "authorization_server" == one.unready()["reason"]
    one.seen = True
    assert {} == one.unready()
    one.supervisor.draining.set()
    assert "draining" == one.unready()["reason"]


def test_the_authorization_server_is_asked_until_it_is_seen():
    one = probed(run(Unavailable("no route"), Refused(Reason.CLIENT_REFUSED, "401"), None))

    assert one.seen
    assert 1 == len(one.plan.log.of("authorization_server_seen"))


def test_a_probe_that_breaks_is_no_success_and_not_the_end():
    one = probed(run(ValueError("canary"), None))

    (unseen,) = one.plan.log.of("authorization_server_unseen")
    assert ("server_error", "ValueError") == (unseen["reason"], unseen["detail"])


def test_what_is_wrong_comes_with_what_to_do_about_it():
    one = probed(run(Refused(Reason.CLIENT_REFUSED, "401"), None))

    (unseen,) = one.plan.log.of("authorization_server_unseen")
    assert "Check introspection.client_id" in unseen["remedy"]


def test_what_is_wrong_is_said_once_until_it_changes():
    down, refused = Unavailable("no route"), Refused(Reason.CLIENT_REFUSED, "401")
    one = probed(run(down, down, down, refused, refused, down, None))

    assert ["unavailable", "client_refused", "unavailable"] == [
        fields["reason"] for fields in one.plan.log.of("authorization_server_unseen")
    ]
    assert {Level.WARNING, Level.INFO} == {level for level, _, _ in one.plan.log.lines}


def test_unready_tells_what_the_last_probe_found():
    one = probed(run(Unavailable("no route"), None))
    one.supervisor.workers[0].ready = True
    one.seen = False

    assert "unavailable: no route" == one.unready()["detail"]


def test_lines_that_the_supervisor_lost_are_counted_too():
    counts = asyncio.run(run().count())

    assert {**merge([]), "lines_dropped": 3} == counts
