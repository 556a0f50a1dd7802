"""Purges where nobody listens: in an application's own process, in a function, in Kong's plugin server."""

from __future__ import annotations

import asyncio
import time

import pytest

import phantomgate.asgi
import phantomgate.wsgi
from phantomgate.backends.blocking import finish
from phantomgate.config.aws_checks import problems_on_aws
from phantomgate.config.revoking import mark_seconds, unheard
from phantomgate.config.settings import Introspection, Policy, Redis, Revocation, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.errors import SettingsError
from phantomgate.core.model import Allow, Headers, Request
from phantomgate.core.purge import Purge, mark_of, write_note
from phantomgate.kong import wired as kong_wired
from phantomgate.testing import FakeHttp, reply
from redis_servers import servers
from tokens import jwt

ENVIRON = {"SECRET": "s", "SHARED": "x" * 40, "PURGE": "y" * 40}
ASKED = Introspection("https://as.example/i", "gate", "env:SECRET", issuer="")
REVOKING = Settings(introspection=ASKED, policy=Policy(scopes=("read",)), revocation=Revocation("env:PURGE"))


async def nothing(*_):
    """An application."""


def test_revocation_that_nobody_would_hear_of_is_a_problem_where_nothing_listens(tmp_path):
    with pytest.raises(SettingsError, match=r"revocation\.listen"):
        phantomgate.wsgi.PhantomGate(nothing, REVOKING)
    with pytest.raises(SettingsError, match=r"revocation\.listen"):
        phantomgate.asgi.settings_from(REVOKING)
    assert ["revocation.listen"] == [name for name, _ in problems_on_aws(REVOKING)]
    (tmp_path / "gate.toml").write_text(
        '[introspection]\nendpoint = "https://as.example/i"\nclient_id = "g"\nclient_secret = "env:S"\n'
        '[revocation]\nsecret = "env:P"\n'
    )
    with pytest.raises(SettingsError, match=r"revocation\.listen"):
        kong_wired(str(tmp_path / "gate.toml"))


def test_with_a_store_that_others_write_into_it_is_none():
    shared = Settings(
        introspection=ASKED, revocation=REVOKING.revocation, redis=Redis(("127.0.0.1:1",), secret="env:S")
    )
    assert [] == unheard(shared)
    assert [] == unheard(Settings(introspection=ASKED))


@pytest.mark.parametrize("family", ["blocking", "nonblocking"])
def test_what_another_machine_purges_is_over_within_a_second_without_anybody_who_listens(family):
    now = int(time.time())
    token = jwt(sub="alice", scope="read", iat=now - 60, nbf=now - 60, exp=now + 600)
    http = FakeHttp(reply(200, token, content_type="application/jwt"))
    asked = Request("GET", "/", Headers.of([("authorization", "Bearer good")]))
    with servers() as make, asyncio.Runner() as runner:
        store = Redis((f"127.0.0.1:{make().port}",), secret="env:SHARED", timeout=1.0)
        settings = Settings(introspection=ASKED, policy=Policy(scopes=("read",)), redis=store)

        async def made():
            return wire(settings, family, environ=ENVIRON, write=print, http=http)

        async def in_a_task(coroutine):
            return await coroutine

        def drive(coroutine):
            return finish(coroutine) if family == "blocking" else runner.run(in_a_task(coroutine))

        def allowed(wired):
            return isinstance(drive(wired.gateway.decide(asked)), Allow)

        one, other = (drive(made()) for _ in range(2))
        assert [True] * 4 == [allowed(wired) for wired in (one, other)] * 2
        mark = mark_of(Purge("token", "good", "", time.time()), one.marks.secret, mark_seconds(settings))
        assert drive(one.sharing.notes.tell(write_note([mark], one.marks.secret))) is not None
        began = time.monotonic()
        while allowed(other) or allowed(one):
            assert time.monotonic() - began < 30.0  # half a second, on a machine that is not busy
        for wired in (one, other):
            drive(wired.close())
