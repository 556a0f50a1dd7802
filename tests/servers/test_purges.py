"""Who may tell us that tokens are over, what it does on every worker and machine, and when it is acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import time

import pytest
from aiohttp.test_utils import TestClient, TestServer

from issuing import ISS, key_reply, key_set, metadata, signed
from phantomgate.cli.main import main
from phantomgate.config.log import Log
from phantomgate.config.revoking import Revoking, mark_seconds, names_of
from phantomgate.config.settings import Cache, Introspection, Policy, Revocation, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Unavailable
from phantomgate.core.purge import Mark, Purge, mark_of, write_note
from phantomgate.oauth.purge_call import HEADER, purge_signature
from phantomgate.servers.fleet import Fleet, ended
from phantomgate.servers.purges import Purges, purges
from phantomgate.testing import FakeHttp
from ports import free_port
from redis_servers import servers
from servers.authorization import authorization_server
from servers.process import serving, settings
from tokens import NOW

SECRET = "canary-secret-of-thirty-two-characters"
REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
LOGOUT = {"http://schemas.openid.net/event/backchannel-logout": {}}


@pytest.fixture
def log(tmp_path):
    number = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield Log(number, now=lambda: NOW)
    os.close(number)


class Listener:
    """The listener, an issuer whose keys it knows, and workers that confirm or don't."""

    def __init__(self, clock, log, folder):
        self.clock, self.folder, self.marks, self.confirmed = clock, folder, [], True
        self.answers = {f"{ISS}/.well-known/oauth-authorization-server": metadata(), f"{ISS}/keys": key_reply("k1")}
        self.http = FakeHttp(self.answer)
        self.settings = Settings(
            introspection=Introspection(issuer=ISS, client_id="gate", client_secret="env:CLIENT"),
            policy=Policy(scopes=("read",)),
            revocation=Revocation("env:PURGE", ("gate",)),
        )
        self.log = log

    def answer(self, call):
        if call.url not in self.answers:
            raise Unavailable(f"nobody at {call.url}")
        return self.answers[call.url]

    async def purge(self, marks, how):
        self.marks += marks
        return self.confirmed

    def post(self, path, data, **headers):
        async def call():
            clock = self.clock
            wired = wire(
                self.settings, "nonblocking", environ={"CLIENT": "s"}, write=print, now=clock.now, ticks=clock.ticks,
                http=self.http,
            )  # fmt: skip
            into = Purges(
                SECRET, b"", mark_seconds(self.settings), names_of(self.settings), wired.revoking, self.purge,
                clock.now, self.log,
            )  # fmt: skip
            async with TestClient(TestServer(purges(into))) as client:
                answer = await client.post(
                    path, data=data, headers={name.replace("_", "-"): v for name, v in headers.items()}
                )
                text = await answer.text()
            await wired.close()
            return answer.status, text

        status, text = asyncio.run(call())
        assert "canary" not in text + (self.folder / "log").read_text()
        return status, text

    def call(self, said, secret=SECRET):
        body = json.dumps(said).encode()
        return self.post("/purge", body, **{HEADER: purge_signature(body, secret, self.clock.now())})

    def logout(self, **claims):
        said = {"aud": "gate", "exp": NOW + 60, "jti": "1", "events": LOGOUT, "sub": "alice", "scope": None} | claims
        return self.post("/logout", {"logout_token": signed(header=LOGOUT_HEADER, **said)})

    def event(self, header=None, **claims):
        said = {"aud": "gate", "exp": None, "jti": "1", "events": {REVOKED: {}}, "sub": "alice", "scope": None} | claims
        header = {"alg": "ES256", "typ": "secevent+jwt", "kid": "k1"} if header is None else header
        return self.post("/events", signed(header=header, **said), Content_Type="application/secevent+jwt")


LOGOUT_HEADER = {"alg": "ES256", "typ": "logout+jwt", "kid": "k1"}


@pytest.fixture
def listener(clock, log, tmp_path):
    return Listener(clock, log, tmp_path)


def marked(kind, value, at=NOW):
    return mark_of(Purge(kind, value, "" if kind == "token" else ISS, float(at)), b"", 600.0)


@pytest.mark.parametrize("kind", ["token", "sub", "sid", "client_id"])
def test_a_signed_call_purges_what_it_names(listener, kind):
    status, text = listener.call({kind: "canary"})
    assert (200, {"purged": kind}) == (status, json.loads(text))
    assert [marked(kind, "canary")] == listener.marks


def test_an_issuer_is_purged_by_its_name_and_others_are_unknown(listener):
    assert 200 == listener.call({"issuer": ISS})[0]
    assert [marked("issuer", ISS)] == listener.marks
    assert 400 == listener.call({"issuer": "https://other.example"})[0]
    assert 400 == listener.call({"sub": "alice", "issuer": "other"})[0]
    assert 1 == len(listener.marks)


def test_without_our_secret_nothing_is_purged(listener):
    assert 401 == listener.call({"sub": "alice"}, secret="another")[0]
    assert 401 == listener.post("/purge", b'{"sub": "alice"}')[0]
    assert [] == listener.marks


def test_what_not_everybody_has_confirmed_is_to_be_told_again(listener):
    listener.confirmed = False
    assert [503, 503, 503] == [listener.call({"sub": "alice"})[0], listener.logout()[0], listener.event()[0]]


def test_a_logout_token_ends_the_session_or_all_of_the_person(listener):
    assert 200 == listener.logout(sid="s1")[0]
    assert 200 == listener.logout()[0]
    assert 200 == listener.logout(sid="s1", sub=None)[0]
    named = [marked("sid", "s1"), marked("nameless", "alice")]  # the second for tokens that don't say of which session
    assert [*named, marked("sub", "alice"), named[0]] == listener.marks


def test_an_event_ends_what_it_names(listener):
    assert 202 == listener.event()[0]
    assert 202 == listener.event(sub=None, sub_id={"session": {"id": "s1"}})[0]
    assert 202 == listener.event(events={"https://example/verification": {}})[0]
    assert [marked("sub", "alice"), marked("sid", "s1")] == listener.marks


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"aud": "other"},
        {"events": {}},
        {"iat": NOW + 3600},
        {"jti": None},
        {"iss": 7},
    ],
)
def test_what_isn_t_for_us_or_not_what_it_should_be_is_refused(listener, claims):
    assert 400 == listener.event(**claims)[0]
    assert 400 == listener.logout(**claims)[0]
    assert [] == listener.marks


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"typ": "logout+jwt"}, {"kid": "k9"}, {"alg": "none"}])
def test_a_token_of_another_kind_or_key_is_no_event(listener, header):
    assert 400 == listener.event(header={"alg": "ES256", "typ": "secevent+jwt", "kid": "k1"} | header)[0]
    assert [] == listener.marks


@pytest.mark.parametrize("nonce", ["n"])
def test_an_id_token_is_no_logout_token(listener, nonce):
    assert 400 == listener.logout(nonce=nonce)[0]


@pytest.mark.parametrize(
    ("path", "data", "headers", "status"),
    [
        ("/events", b"x", {"Content_Type": "text/plain"}, 415),
        ("/events", b"x.y.z", {"Content_Type": "application/secevent+jwt"}, 400),
        ("/events", b"\xff", {"Content_Type": "application/secevent+jwt"}, 400),
        ("/events", b"x" * 70_000, {"Content_Type": "application/secevent+jwt"}, 413),
        ("/logout", b"", {}, 400),
        ("/logout", b"logout_token=a&logout_token=b", {}, 400),
        ("/logout", b"logout_token=a", {}, 400),
        ("/purge", b"x" * 20_000, {}, 401),
        ("/other", b"", {}, 404),
    ],
)
def test_what_can_t_be_read_is_refused(listener, path, data, headers, status):
    assert status == listener.post(path, data, **headers)[0]
    assert [] == listener.marks


def test_without_the_issuer_s_keys_we_are_told_again(listener):
    listener.answers.clear()
    assert 503 == listener.event()[0]
    assert 503 == listener.logout()[0]


def test_without_audiences_there_are_no_events(listener):
    listener.settings = Settings(introspection=listener.settings.introspection, revocation=Revocation("env:PURGE"))
    assert [404, 404] == [listener.event()[0], listener.logout()[0]]


class Shelf:
    """Notes that machines share, while it is there."""

    most = 1000

    def __init__(self):
        self.notes, self.there = [], True

    async def tell(self, note):
        if not self.there:
            return None
        self.notes.append((f"{NOW * 1000 + len(self.notes)}-0", note))
        return self.notes[-1][0]

    async def news(self, since, *, patient=False):
        return [one for one in self.notes if since == "0" or one[0] > since][: self.most] if self.there else None


def machine(shelf, log, clock, told, confirms=True, least=0.0):
    async def tell(marks):
        told.extend(marks)
        return confirms

    return Fleet(tell, shelf, b"s", least, now=clock.now, log=log)


MARK = Mark("sub", b"d" * 16, float(NOW), 600.0)


def test_every_machine_hears_it_once(drive, clock, log):
    shelf, here, there = Shelf(), [], []
    one, other = machine(shelf, log, clock, here), machine(shelf, log, clock, there)
    assert drive(one.purge([MARK], "call"))
    for _ in range(3):
        drive(one.look())
        drive(other.look())
    assert ([MARK], [MARK]) == (here, there)
    late = []
    drive(machine(shelf, log, clock, late).look())
    assert [MARK] == late
    clock.advance(661)
    over = []
    drive(machine(shelf, log, clock, over).look())
    assert [] == over


def test_a_mark_lasts_as_long_as_whoever_hears_of_it_remembers(drive, clock, log):
    """Who purges knows his own `cache.max_age`, which may be shorter than ours: an agent alone, or one who has
    changed it already."""
    shelf, told = Shelf(), []
    drive(machine(shelf, log, clock, []).purge([MARK, MARK._replace(seconds=9000.0)], "call"))
    clock.advance(1800)
    drive(machine(shelf, log, clock, told, least=3600.0).look())
    assert [3600.0, 9000.0] == [mark.seconds for mark in told]
    clock.advance(1861)
    late = []
    drive(machine(shelf, log, clock, late, least=3600.0).look())
    assert [9000.0] == [mark.seconds for mark in late]


def test_what_is_read_while_another_store_takes_the_place_of_one_hides_nothing_there(drive, clock, log):
    class Slow(Shelf):
        """Another store takes its place while it is read."""

        async def news(self, since, **how):
            found = await super().news(since, **how)
            fleet.adopt(newer, b"s", 0.0)
            return found

    older, newer, told = Slow(), Shelf(), []
    other = MARK._replace(digest=b"e" * 16)
    drive(newer.tell(write_note([other], b"s")))
    for _ in range(3):
        drive(older.tell(write_note([MARK], b"s")))
    fleet = machine(older, log, clock, told)
    drive(fleet.look())
    drive(fleet.look())
    assert other in told


def test_what_others_can_t_read_or_workers_don_t_confirm_isn_t_acknowledged(drive, clock, log):
    shelf = Shelf()
    assert not drive(machine(shelf, log, clock, [], confirms=False).purge([MARK], "call"))
    shelf.there = False
    told = []
    assert not drive(machine(shelf, log, clock, told).purge([MARK], "call"))
    assert [MARK] == told  # here it holds
    assert drive(machine(None, log, clock, []).purge([MARK], "call"))


def test_a_note_that_none_of_us_wrote_is_nobody_s(drive, clock, log, tmp_path):
    shelf, told = Shelf(), []
    for note in (b"", b"x" * 50, write_note([MARK], b"another"), write_note([MARK], b"s")[:-1] + b" "):
        drive(shelf.tell(note))
    drive(machine(shelf, log, clock, told).look())
    assert [] == told
    assert 4 == (tmp_path / "log").read_text().count("shared_cache_forged")


def test_a_name_that_no_store_gives_keeps_nobody_from_what_comes_after(drive, clock, log):
    shelf, told = Shelf(), []
    drive(shelf.tell(write_note([MARK], b"s")))
    shelf.notes.insert(0, ("9" * 400 + "-0", write_note([MARK], b"s")))
    drive(machine(shelf, log, clock, told).look())
    assert [MARK] == told


def test_a_purge_by_another_secret_is_believed_while_secrets_are_changed(drive, clock, log):
    shelf, told = Shelf(), []

    async def tell(marks):
        told.extend(marks)
        return True

    drive(shelf.tell(write_note([MARK], b"old")))
    drive(Fleet(tell, shelf, b"new", 0.0, now=clock.now, log=log).look())
    assert [] == told
    drive(Fleet(tell, shelf, b"new", 0.0, now=clock.now, log=log, others=(b"other", b"old")).look())
    assert [MARK] == told


def test_what_goes_wrong_while_listening_doesn_t_end_it(clock, log, tmp_path):
    class Broken(Shelf):
        looks = 0

        async def news(self, since, *, patient=False):
            self.looks += 1
            if self.looks == 1:
                raise RuntimeError("canary")
            return await super().news(since)

    async def play():
        shelf, told = Broken(), []
        await shelf.tell(write_note([MARK], b"s"))
        listening = asyncio.create_task(machine(shelf, log, clock, told).listen())
        while not told:  # noqa: ASYNC110 - a list tells nobody
            await asyncio.sleep(0.01)
        listening.cancel()
        await asyncio.wait([listening])
        return told

    assert [MARK] == asyncio.run(play())
    assert "RuntimeError" in (tmp_path / "log").read_text()


def test_who_starts_has_heard_of_everything_before_anybody_is_let_in(clock, log):
    async def play():
        shelf, told = Shelf(), []
        shelf.most = 2
        for number in range(5):
            await shelf.tell(write_note([MARK._replace(digest=bytes([number]) * 16)], b"s"))
        assert await machine(shelf, log, clock, told).catch_up(seconds=30.0)
        return told

    assert [bytes([number]) * 16 for number in range(5)] == [mark.digest for mark in asyncio.run(play())]


def test_who_starts_while_the_store_is_away_waits_for_it_a_moment(clock, log, tmp_path):
    class Late(Shelf):
        looks = 0

        async def news(self, since, *, patient=False):
            self.looks += 1
            self.there = self.looks > 2
            return await super().news(since)

    async def play():
        late, never, told = Late(), Shelf(), []
        await late.tell(write_note([MARK], b"s"))
        never.there = False
        heard = await machine(late, log, clock, told).catch_up(seconds=30.0)
        return heard, told, await machine(never, log, clock, told).catch_up(seconds=0.0)

    assert (True, [MARK], False) == asyncio.run(play())
    assert "purges_unheard" in (tmp_path / "log").read_text()


def test_workers_are_told_when_everything_of_before_was_heard_and_of_all_of_it_first(clock, log, tmp_path):
    async def play():
        shelf, told = Shelf(), []
        shelf.most = 1
        for number in range(2):
            await shelf.tell(write_note([MARK._replace(digest=bytes([number]) * 16)], b"s"))
        shelf.there = False

        async def tell(marks):
            told.append((len(marks), fleet.unheard))
            return True

        fleet = Fleet(tell, shelf, b"s", 0.0, now=clock.now, log=log)
        assert not await fleet.catch_up(seconds=0.0)
        assert fleet.unheard
        shelf.there = True
        while await fleet.look():
            pass
        shelf.there = False
        await fleet.look()
        return told, fleet.unheard

    assert ([(1, True), (1, True), (0, False)], False) == asyncio.run(play())
    lines = (tmp_path / "log").read_text().splitlines()
    assert ["purges_unheard", "purges_heard"] == [json.loads(line)["event"] for line in lines]


def test_where_nothing_is_shared_there_is_nothing_to_hear(clock, log):
    async def play():
        alone, moved = machine(None, log, clock, []), machine(Shelf(), log, clock, [])
        moved.adopt(None, b"s", 0.0)
        await moved.look()
        return alone.unheard, moved.unheard

    assert (False, False) == asyncio.run(play())


def test_listening_ends_although_a_library_swallows_a_cancellation(clock, log):
    class Swallows(Shelf):
        async def news(self, since, *, patient=False):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            return []

    async def play():
        listening = asyncio.create_task(machine(Swallows(), log, clock, []).listen())
        await asyncio.sleep(0)
        await ended(listening, every=0.01)
        return listening.cancelled()

    assert asyncio.run(play())


def verifying(folder, redis):
    """Settings of a machine that verifies JWTs by itself, and hears of purges by *redis*; `[revocation]` comes last."""
    (folder / "keys.json").write_bytes(key_set("k1"))
    text = settings().partition("[introspection]")[0] + '[policy]\nscopes = ["read"]\n'
    text += f'[[issuers]]\nname = "main"\nissuer = "{ISS}"\naudiences = ["api"]\nalgorithms = ["ES256"]\n'
    text += f'keys = "file:{folder}/keys.json"\n'
    text += f'[redis]\nnodes = ["127.0.0.1:{redis.port}"]\nsecret = "env:SHARED"\ntimeout = "1s"\n'
    return f'{text}[revocation]\nsecret = "env:PURGE"\nlisten = "127.0.0.1:{free_port()}"\n'


def test_a_machine_that_starts_lets_nobody_in_who_was_purged_before(tmp_path):
    """Nobody is asked about a JWT, so nobody else would say that it is over."""
    environ = {"SHARED": "x" * 40, "PURGE": SECRET}
    now = int(time.time())
    token = signed(iat=now, exp=now + 600)
    with servers() as make:
        redis = make()
        text = verifying(tmp_path, redis)
        (tmp_path / "one").mkdir()
        with serving(tmp_path / "one", text, also=environ) as service:
            service.until(lambda: service.lines("worker_ready"))
            assert 200 == service.get("/decide", token)[0]
            (tmp_path / "token").write_text(token)
            (tmp_path / "one.toml").write_text(text)
            assert 0 == purge(environ, tmp_path / "one.toml", "--token-file", str(tmp_path / "token"))[0]
            assert 401 == service.get("/decide", token)[0]
            service.end()
        redis.freeze()
        (tmp_path / "two").mkdir()
        with serving(tmp_path / "two", text, also=environ) as service:
            service.until(lambda: service.lines("shared_cache_lost"))
            redis.thaw()
            service.until(lambda: service.lines("worker_ready"))
            assert 401 == service.get("/decide", token)[0]


def test_a_machine_that_starts_without_the_store_lets_nobody_in_where_that_was_asked_for(tmp_path):
    """Not by a new worker either; a reload changes it, both ways; and it ends when the store is back."""
    environ = {"SHARED": "x" * 40, "PURGE": SECRET}
    now = int(time.time())
    purged, good = (signed(iat=now, exp=now + 600, sub=sub) for sub in ("alice", "bob"))
    with servers() as make:
        redis = make()
        text = verifying(tmp_path, redis) + 'unheard = "refuse"\n'
        (tmp_path / "one").mkdir()
        with serving(tmp_path / "one", text, also=environ) as service:
            service.until_ready()
            (tmp_path / "token").write_text(purged)
            (tmp_path / "one.toml").write_text(text)
            assert 0 == purge(environ, tmp_path / "one.toml", "--token-file", str(tmp_path / "token"))[0]
            assert (401, 200) == (service.get("/decide", purged)[0], service.get("/decide", good)[0])
            service.end()
        redis.freeze()
        (tmp_path / "two").mkdir()
        with serving(tmp_path / "two", text, also=environ) as service:

            def reloaded(unheard, times):
                (tmp_path / "two" / "phantomgate.toml").write_text(text.replace('"refuse"', f'"{unheard}"'))
                os.kill(service.process.pid, signal.SIGHUP)
                service.until(lambda: len(service.lines("reloaded")) == times)

            service.until(lambda: service.lines("worker_ready"))
            status, headers, _ = service.get("/decide", good)
            assert (503, "purges_unheard") == (status, service.lines("decision")[-1]["reason"])
            assert headers["Retry-After"]
            assert (503, "purges_unheard") == service.readiness()
            assert (0, 1) == tuple(service.metrics()[f"phantomgate_{name}"] for name in ("ready", "purges_unheard"))
            os.kill(service.workers[0], signal.SIGKILL)
            service.until(lambda: len(service.lines("worker_ready")) == 2)
            assert 503 == service.get("/decide", good)[0]
            reloaded("serve", 1)
            assert (200, 1) == (service.get("/decide", good)[0], service.metrics()["phantomgate_purges_unheard"])
            assert (200, None) == service.readiness()
            reloaded("refuse", 2)
            assert 503 == service.get("/decide", good)[0]
            redis.thaw()
            service.until_ready()
            assert (401, 200) == (service.get("/decide", purged)[0], service.get("/decide", good)[0])
            assert (1, 0) == tuple(service.metrics()[f"phantomgate_{name}"] for name in ("ready", "purges_unheard"))
            redis.freeze()
            service.until(lambda: len(service.lines("shared_cache_lost")) > 1)
            assert (200, (200, None)) == (service.get("/decide", good)[0], service.readiness())
            redis.thaw()


def test_marks_outlive_what_may_be_known():
    assert 600.0 == mark_seconds(Settings())
    assert 3780.0 == mark_seconds(Settings(cache=Cache(max_age=3600.0)))


def purge(environ, config, *words, stdin=""):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["purge", "--config", str(config), *words], environ)
    return code, out.getvalue(), err.getvalue()


def test_a_purge_on_one_machine_holds_on_all_workers_of_all_within_a_second(tmp_path):
    environ = {"SHARED": "x" * 40, "PURGE": SECRET}
    with servers() as make, authorization_server(sub="alice", scope="read") as endpoint:
        redis = make().port
        with contextlib.ExitStack() as stack:
            machines = []
            for name in ("one", "two"):
                (tmp_path / name).mkdir()
                port = free_port()
                text = settings(endpoint, workers=2)
                text += f'[redis]\nnodes = ["127.0.0.1:{redis}"]\nsecret = "env:SHARED"\ntimeout = "1s"\n'
                text += f'[revocation]\nsecret = "env:PURGE"\nlisten = "127.0.0.1:{port}"\n'
                (tmp_path / f"{name}.toml").write_text(text)
                machines.append(stack.enter_context(serving(tmp_path / name, text, also=environ)))
            for one in machines:
                one.until_ready()
            tokens = [f"good{number}" for number in range(6)]
            assert {200} == {one.get("/decide", token)[0] for one in machines for token in tokens * 2}

            code, out, err = purge(environ, tmp_path / "one.toml", "--sid", "nobody")
            assert (0, "purged\n", "") == (code, out, err)
            assert {200} == {one.get("/decide", token)[0] for one in machines for token in tokens}

            (tmp_path / "token").write_text("good0\n")
            began = time.monotonic()
            assert 0 == purge(environ, tmp_path / "one.toml", "--token-file", str(tmp_path / "token"))[0]
            assert {401} == {machines[0].get("/decide", "good0")[0] for _ in range(6)}  # acknowledged is everywhere
            while {machines[1].get("/decide", "good0")[0] for _ in range(6)} != {401}:
                assert time.monotonic() - began < 30.0  # on a machine that is not busy: as the name says
            assert {200} == {one.get("/decide", "good1")[0] for one in machines}

            code, _, err = purge({**environ, "PURGE": "y" * 40}, tmp_path / "one.toml", "--sub", "alice")
            assert (2, True) == (code, "wrong secret" in err)
            assert 2 == purge(environ, tmp_path / "one.toml")[0]
            assert all(SECRET not in one.log.read_text() for one in machines)


def test_a_worker_that_starts_anew_knows_what_was_purged(tmp_path):
    with authorization_server(sub="alice", scope="read") as endpoint:
        port = free_port()
        text = settings(endpoint) + f'[revocation]\nsecret = "env:PURGE"\nlisten = "127.0.0.1:{port}"\n'
        (tmp_path / "one.toml").write_text(text)
        with serving(tmp_path, text, also={"PURGE": SECRET}) as service:
            service.until_ready()
            (tmp_path / "token").write_text("good0")
            assert 0 == purge({"PURGE": SECRET}, tmp_path / "one.toml", "--token-file", str(tmp_path / "token"))[0]
            (worker,) = service.workers
            os.kill(worker, signal.SIGSTOP)  # what it hasn't confirmed isn't acknowledged
            assert 1 == purge({"PURGE": SECRET}, tmp_path / "one.toml", "--sid", "s1")[0]
            os.kill(worker, signal.SIGCONT)
            assert 0 == purge({"PURGE": SECRET}, tmp_path / "one.toml", "--sid", "s1")[0]
            os.kill(worker, signal.SIGKILL)
            service.until(lambda: len(service.lines("worker_ready")) == 2)
            assert (401, 200) == (service.get("/decide", "good0")[0], service.get("/decide", "good1")[0])


def test_what_was_purged_outlives_every_secret_and_purges_are_signed_with_the_new_one(tmp_path):
    """The secrets of [redis], by which marks are known, and of [revocation] change, and then the worker does."""
    shared, signing = tmp_path / "shared", tmp_path / "signing"
    shared.write_text("x" * 40)
    signing.write_text(SECRET)
    with servers() as make, authorization_server(sub="alice", scope="read") as endpoint:
        text = settings(endpoint)
        text += f'[redis]\nnodes = ["127.0.0.1:{make().port}"]\nsecret = "file:{shared}"\ntimeout = "1s"\n'
        text += f'[revocation]\nsecret = "file:{signing}"\nlisten = "127.0.0.1:{free_port()}"\n'
        (tmp_path / "one.toml").write_text(text)
        with serving(tmp_path, text) as service:
            service.until_ready()
            for number, secret in enumerate(("", "y" * 40, "z" * 40)):
                if secret:
                    shared.write_text(secret)
                    signing.write_text(f"{SECRET}{number}")
                    service.process.send_signal(signal.SIGHUP)
                    service.until(lambda number=number: len(service.lines("reloaded")) == number)
                assert 200 == service.get("/decide", f"good{number}")[0]
                (tmp_path / "token").write_text(f"good{number}")
                words = ("--token-file", str(tmp_path / "token"))
                service.until(lambda words=words: purge({}, tmp_path / "one.toml", *words)[0] == 0)  # 1: tell again
                assert [401] * (number + 1) == [service.get("/decide", f"good{one}")[0] for one in range(number + 1)]
            os.kill(service.workers[0], signal.SIGKILL)
            service.until(lambda: len(service.lines("worker_ready")) == 2)
            assert [401, 401, 401, 200] == [service.get("/decide", f"good{number}")[0] for number in range(4)]
            assert "y" * 40 not in service.log.read_text()


def test_who_still_goes_by_the_secret_of_before_is_heard(drive, clock, log, tmp_path):
    shelf, told = Shelf(), []
    one = machine(shelf, log, clock, told)
    one.adopt(shelf, b"newer", 0.0)
    drive(shelf.tell(write_note([MARK], b"s")))
    drive(shelf.tell(write_note([MARK], b"newer")))
    drive(shelf.tell(write_note([MARK], b"another")))
    drive(one.look())
    assert [MARK, MARK] == told
    assert 1 == (tmp_path / "log").read_text().count("shared_cache_forged")
    other = Shelf()
    one.adopt(other, b"newer", 0.0)
    drive(other.tell(write_note([MARK], b"newer")))
    drive(one.look())
    assert [MARK] * 3 == told


def test_nobody_there_is_1(tmp_path):
    (tmp_path / "one.toml").write_text(
        settings("http://127.0.0.1:1/i") + f'[revocation]\nsecret = "env:PURGE"\nlisten = "127.0.0.1:{free_port()}"\n'
    )
    code, _, err = purge({"PURGE": SECRET}, tmp_path / "one.toml", "--sub", "alice")
    assert (1, True) == (code, "not purged" in err)


def test_the_verifier_shows_no_keys():
    assert "canary" not in repr(Revoking({"canary": ("n", None)}, frozenset(), 5.0, lambda: 0.0))


def test_without_downstream_a_gateway_remembers_nothing(tmp_path):
    with authorization_server() as endpoint:
        text = settings(endpoint) + "[cache]\ndownstream = false\n"
        with serving(tmp_path, text) as service:
            service.until_ready()
            status, headers, _ = service.get("/decide", "good")
            assert (200, "0") == (status, headers["X-Accel-Expires"])
            assert 0 == json.loads(service.get("/exchange", "good", method="POST")[2])["expires_in"]
