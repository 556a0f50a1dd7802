"""The shared store at real Redis servers, in both families, and at servers that fail at every point."""

from __future__ import annotations

import asyncio
import time
from hashlib import sha256

import pytest

from certificates import Authority
from phantomgate.backends import redis, redis_client
from phantomgate.backends.blocking import finish
from phantomgate.backends.redis_cluster import Cluster
from phantomgate.resolvers.shared import SharedCounts
from phantomgate.testing import FakeClock
from ports import free_port
from redis_servers import faulty, join, servers, until_watched, watching

KEY, OTHER = b"k" * 32, b"o" * 32


class Family:
    """The store by one family of back ends, driven by its driver."""

    def __init__(self, blocks: bool):
        self.blocks = blocks
        self.runner = None if blocks else asyncio.Runner()
        self.stores = []

    def run(self, coroutine):
        return finish(coroutine) if self.blocks else self.runner.run(self._in_a_task(coroutine))

    async def _in_a_task(self, coroutine):
        return await coroutine

    def store(self, place, *, timeout=10.0, most=8, ticks=time.monotonic, prefix="t"):
        act, close = (
            redis_client.blocking(place, most, timeout) if self.blocks else redis_client.nonblocking(place, most)
        )
        counts, said = SharedCounts(), []
        store = redis.RedisStore(
            act,
            close,
            prefix=prefix,
            timeout=timeout,
            ticks=ticks,
            counts=counts,
            said=lambda event, why: said.append((event, why)),
            most=most,
        )
        store.counts, store.said = counts, said
        self.stores.append(store)
        return store

    def close(self):
        for store in self.stores:
            self.run(store.close())
        if self.runner is not None:
            self.runner.close()


@pytest.fixture(params=[True, False], ids=["blocking", "loop"])
def family(request):
    made = Family(request.param)
    yield made
    made.close()


@pytest.fixture(scope="module")
def make():
    with servers() as made:
        yield made


@pytest.fixture(scope="module")
def single(make):
    return make("--requirepass", "canary-pass")


def at(server, **more):
    return redis_client.Place(nodes=(("127.0.0.1", server.port),), password="canary-pass", **more)


def plain(port, **more):
    return redis_client.Place(nodes=(("127.0.0.1", port),), **more)


def assert_works(family, store):
    run = family.run
    assert run(store.get(OTHER)) is None
    run(store.put(KEY, b"\0value\xff", 20.0))
    value, left = run(store.get(KEY))
    assert b"\0value\xff" == value
    assert 15.0 < left <= 20.0
    assert [True, False] == [run(store.claim(KEY, 20.0)) for _ in range(2)]
    run(store.release(KEY))
    assert run(store.claim(KEY, 20.0))
    run(store.release(KEY))
    before = [name for name, _ in run(store.news("0"))]
    first, second = run(store.tell(b"one\xff")), run(store.tell(b"two"))
    assert [*before, first, second] == [name for name, _ in run(store.news("0"))]
    assert [(second, b"two")] == run(store.news(first))
    assert (0, 0) == (store.counts.faults, store.counts.skipped)
    assert "" == run(store.ask())


def test_one_server(family, single):
    assert_works(family, family.store(at(single)))


def test_a_database_and_a_prefix_keep_things_apart(family, single):
    one, other = family.store(at(single, database=1)), family.store(at(single, database=1), prefix="u")
    mine = b"d" * 32
    family.run(one.put(mine, b"v", 20.0))
    assert family.run(family.store(at(single)).get(mine)) is None
    assert family.run(other.get(mine)) is None
    assert b"v" == family.run(one.get(mine))[0]


def test_a_unix_socket(family, make, tmp_path):
    make("--unixsocket", str(tmp_path / "r.sock"))
    assert_works(family, family.store(redis_client.Place(unix=str(tmp_path / "r.sock"))))


def test_an_acl_user_may_do_no_more_than_it_must(family, make):
    server = make()
    rules = ["on", ">canary-word", "~t:*", "-@all"]
    rules += ["+get", "+set", "+del", "+pttl", "+strlen", "+eval", "+ping", "+xadd", "+xrange"]
    server.client().execute_command("ACL", "SETUSER", "gate", *rules)
    place = redis_client.Place(nodes=(("127.0.0.1", server.port),), username="gate", password="canary-word")
    assert_works(family, family.store(place))
    elsewhere = family.store(place, prefix="other")
    assert family.run(elsewhere.get(KEY)) is None
    assert 1 == elsewhere.counts.faults


def test_a_wrong_password_is_a_miss_and_never_told(family, single):
    store = family.store(plain(single.port, password="canary-wrong"))
    assert family.run(store.get(KEY)) is None
    assert "AuthenticationError" in family.run(store.ask())
    assert "canary" not in repr((store.said, family.run(store.ask()), redis_client.Place(password="canary-wrong")))


def test_tls_with_the_name_verified(family, make, tmp_path):
    authority, ports = Authority(tmp_path), []
    for name in ("localhost", "elsewhere.example"):
        pem, port = str(authority.issue(name)), free_port()
        make("--tls-port", str(port), "--tls-cert-file", pem, "--tls-key-file", pem,
             "--tls-auth-clients", "no", "--tls-ca-cert-file", authority.ca_file)  # fmt: skip
        ports.append(port)
    secure = {"tls": True, "ca_file": authority.ca_file}
    assert_works(family, family.store(redis_client.Place(nodes=(("localhost", ports[0]),), **secure)))
    for place in (
        redis_client.Place(nodes=(("localhost", ports[1]),), **secure),
        redis_client.Place(nodes=(("localhost", ports[0]),), tls=True),
    ):
        store = family.store(place)
        assert family.run(store.get(KEY)) is None
        assert 1 == store.counts.faults


def test_a_cluster(family, cluster):
    store = family.store(redis_client.Place("cluster", (("127.0.0.1", cluster[0].port),)), timeout=10.0)
    assert_works(family, store)
    names = [sha256(bytes([number])).digest() for number in range(40)]
    for name in names:
        family.run(store.put(name, b"v", 60.0))
    assert all(family.run(store.get(name)) is not None for name in names)
    assert all(one.client().dbsize() > 0 for one in cluster)


@pytest.fixture(scope="module")
def cluster(make):
    nodes = [make("--cluster-enabled", "yes", "--cluster-node-timeout", "2000") for _ in range(3)]
    join([node.port for node in nodes])
    return nodes


def test_a_cluster_that_answers_while_we_are_busy_is_not_late(cluster):
    async def busy():
        act, close = redis_client.nonblocking(redis_client.Place("cluster", (("127.0.0.1", cluster[0].port),)), 8)
        await act(("SET", "mine", b"mine"), 5.0)
        for node in cluster:
            node.freeze()
        asked = asyncio.create_task(act(("GET", "mine"), 0.5))
        for _ in range(200):  # until it is sent
            await asyncio.sleep(0)
        for node in cluster:
            node.thaw()
        time.sleep(1.0)  # noqa: ASYNC251 - that's what it is about
        found = await asked
        await close()
        return found

    assert b"mine" == asyncio.run(busy())


def test_a_client_with_a_connection_that_was_reset_is_given_up_for_another():
    """uvloop raises RuntimeError for a handle that is closed, and redis-py keeps such a connection for the next."""

    class Client:
        def __init__(self, number):
            self.number, self.closed = number, False

        async def execute_command(self, *command):
            await asyncio.sleep(0)
            if not self.number:
                raise RuntimeError("the handler is closed")
            return b"%d" % self.number

        async def aclose(self):
            self.closed = True

    made = []

    def make():
        made.append(Client(len(made)))
        return made[-1]

    async def used():
        cluster = Cluster(make)
        first = await asyncio.gather(*(cluster.act(("GET", "mine"), 5.0) for _ in range(3)), return_exceptions=True)
        then = [await cluster.act(("GET", "mine"), 5.0) for _ in range(3)]
        await cluster.close()
        return [type(no).__name__ for no in first], then, [one.closed for one in made]

    assert (["ConnectionError"] * 3, [b"1"] * 3, [True, True]) == asyncio.run(used())


def test_sentinels_and_a_server_that_dies(make):
    first = make()
    second = make("--replicaof", "127.0.0.1", str(first.port))
    watchers = [make(sentinel=watching(first.port)) for _ in range(3)]
    until_watched([one.port for one in watchers], second.port)
    nodes = tuple(("127.0.0.1", one.port) for one in watchers)
    families = Family(True), Family(False)
    stores = [family.store(redis_client.Place("sentinel", nodes, master="m")) for family in families]
    for family, store in zip(families, stores, strict=True):
        assert_works(family, store)

    first.kill()

    for family, store in zip(families, stores, strict=True):
        assert family.run(store.get(KEY)) is None  # a miss, at once
        assert family.run(store.claim(OTHER, 5.0))  # and everybody asks for himself
    second.until(lambda: second.client().role()[0] == b"master")
    for family, store in zip(families, stores, strict=True):

        def back(family=family, store=store):
            family.run(store.put(KEY, b"new", 60.0))
            return family.run(store.get(KEY)) is not None

        second.until(back)
        assert b"new" == second.client().get(b"t:v1:" + KEY)
        assert ["shared_cache_lost", "shared_cache_back"] == [event for event, _ in store.said]
        family.close()


ANSWERS = {
    "reset": lambda said: None,
    "garbage": lambda said: b"\xff\x00 what?\r\n" * 3,
    "half": lambda said: b"$100\r\nhalf",
    "silence": lambda said: b"",
    "a number": lambda said: b":7\r\n",
    "a status": lambda said: b"+OK\r\n",
    "an error": lambda said: b"-ERR canary\r\n",
    "loading": lambda said: b"-LOADING canary\r\n",
    "read-only": lambda said: b"-READONLY canary\r\n",
    "moved": lambda said: b"-MOVED 1 127.0.0.1:1\r\n",
    "nothing": lambda said: b"$-1\r\n",
    "a list": lambda said: b"*3\r\n:1\r\n:2\r\n:3\r\n",
    "wrong types": lambda said: b"*2\r\n:1\r\n$1\r\nx\r\n",
    "no time left": lambda said: b"$4\r\n-1:x\r\n",
    "no time at all": lambda said: b"$3\r\n0:x\r\n",
    "no time that is one": lambda said: b"$4\r\n\xb2:x\r\n",
    "endless time": lambda said: b"$5002\r\n" + b"9" * 5000 + b":x\r\n",
    "no colon": lambda said: b"$4\r\n1234\r\n",
    "the list of another release": lambda said: b"*2\r\n$1\r\nx\r\n:1000\r\n",
    "nested": lambda said: b"*1\r\n" * 3000,
    "an endless length": lambda said: b"$9999999999999999999999\r\n",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_whatever_it_answers_nothing_is_raised_and_nothing_found(family, name):
    with faulty(ANSWERS[name]) as port:
        store = family.store(plain(port), timeout=0.1)
        run = family.run
        assert run(store.get(KEY)) is None
        run(store.put(KEY, b"v", 9.0))
        assert run(store.claim(KEY, 9.0)) in (True, False)
        run(store.release(KEY))
        assert "canary" not in repr(store.said)
        family.close()
        family.stores, family.runner = [], None if family.blocks else asyncio.Runner()


def test_nobody_there_is_a_miss(family):
    store = family.store(plain(free_port()))
    assert family.run(store.get(KEY)) is None
    assert family.run(store.claim(KEY, 1.0))
    assert (1, 1) == (store.counts.faults, store.counts.skipped)
    assert [("shared_cache_lost", store.said[0][1])] == store.said


def test_what_is_frozen_is_cut_off_and_left_alone_until_it_is_back(family, make):
    server, clock = make(), FakeClock()
    store = family.store(plain(server.port), timeout=0.3, ticks=clock.ticks)
    run = family.run
    run(store.put(KEY, b"v", 60.0))
    run(store.put(OTHER, b"o", 60.0))
    server.freeze()
    assert run(store.get(KEY)) is None
    for _ in range(50):
        assert run(store.get(KEY)) is None  # without waiting
    assert (1, 50) == (store.counts.faults, store.counts.skipped)
    clock.advance(redis.FIRST_PAUSE)
    assert run(store.get(KEY)) is None
    assert (2, 50) == (store.counts.faults, store.counts.skipped)
    clock.advance(redis.FIRST_PAUSE)  # twice as long by now
    assert run(store.get(KEY)) is None
    assert (2, 51) == (store.counts.faults, store.counts.skipped)
    server.thaw()
    clock.advance(redis.LONGEST_PAUSE)
    assert b"o" == run(store.get(OTHER))[0]  # its own answer, not the late one
    assert b"v" == run(store.get(KEY))[0]
    assert ["shared_cache_lost", "shared_cache_back"] == [event for event, _ in store.said]


def test_one_that_is_now_slow_now_well_is_left_alone_for_longer_each_time_until_it_has_proven_itself(make):
    async def pauses():
        clock, slow = FakeClock(), True

        async def act(command, seconds):
            if slow:
                raise TimeoutError
            return b"1"

        async def close():
            pass

        store = redis.RedisStore(
            act, close, prefix="t", timeout=1.0, ticks=clock.ticks, counts=SharedCounts(), said=lambda event, why: None
        )
        await store.get(KEY)
        for well in (0.0, 0.4, 0.9, 1.0, 5.1, 0.01):
            left = 0
            slow = False
            while await store.claim(KEY, 1.0) and store._counts.skipped > 0:
                store._counts.skipped = 0
                clock.advance(0.01)
                left += 1
            yield left / 100
            clock.advance(well)
            slow = True
            await store.get(KEY)

    async def main():
        return [pause async for pause in pauses()]

    assert pytest.approx([0.05, 0.1, 0.2, 0.4, 0.5, 0.05], abs=0.02) == asyncio.run(main())


def test_purges_are_looked_for_every_second_however_long_it_was_away(family, make):
    server, clock = make(), FakeClock()
    store = family.store(plain(server.port), timeout=0.3, ticks=clock.ticks)
    assert [] == family.run(store.news("0", patient=True))
    server.freeze()
    for _ in range(6):
        assert family.run(store.news("0", patient=True)) is None
        clock.advance(redis.LONGEST_PAUSE)
    assert family.run(store.get(KEY)) is None
    server.thaw()
    clock.advance(redis.NOTES_PAUSE - 0.01)
    assert family.run(store.news("0", patient=True)) is None
    assert family.run(store.tell(b"note")) is None
    clock.advance(0.02)
    assert family.run(store.tell(b"note")) is not None
    assert [b"note"] == [note for _, note in family.run(store.news("0", patient=True))]
    family.run(store.close())
    clock.advance(redis.LONGEST_PAUSE)
    assert family.run(store.news("0", patient=True)) is None


def test_a_note_has_more_time_than_a_look_up(make):
    server = make()

    async def told():
        act, close = redis_client.nonblocking(plain(server.port), 2)
        store = redis.RedisStore(
            act, close, prefix="t", timeout=0.001, ticks=time.monotonic, counts=SharedCounts(), said=print
        )
        await store.put(KEY, b"v", 60.0)
        server.freeze()
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, server.thaw)  # fifty times as much as a look-up has
        name = await store.tell(b"note")
        await store.close()
        return name

    assert asyncio.run(told()) is not None


def test_while_it_is_tried_again_nobody_else_waits(make):
    server = make()

    async def at_once():
        act, close = redis_client.nonblocking(plain(server.port), 64)
        counts = SharedCounts()
        store = redis.RedisStore(act, close, prefix="t", timeout=5.0, ticks=time.monotonic, counts=counts, said=print)
        await asyncio.gather(*(store.get(KEY) for _ in range(20)))
        first = counts.skipped
        await asyncio.gather(*(store.get(KEY) for _ in range(20)))
        await store.close()
        return first, counts.skipped

    assert (19, 19) == asyncio.run(at_once())


def test_whoever_was_asked_how_it_is_before_the_first_requests_leaves_none_of_them_out(make):
    server = make()

    async def at_once():
        act, close = redis_client.nonblocking(plain(server.port), 64)
        counts = SharedCounts()
        store = redis.RedisStore(act, close, prefix="t", timeout=5.0, ticks=time.monotonic, counts=counts, said=print)
        assert "" == await store.ask()
        await asyncio.gather(*(store.get(KEY) for _ in range(20)))
        await store.close()
        return counts.skipped

    assert 0 == asyncio.run(at_once())


def test_no_more_than_so_many_ask_at_a_time(make):
    server = make()

    async def at_once():
        act, close = redis_client.nonblocking(plain(server.port), 5)
        counts = SharedCounts()
        store = redis.RedisStore(
            act, close, prefix="t", timeout=1.0, ticks=time.monotonic, counts=counts, said=print, most=5
        )
        await store.put(KEY, b"v", 60.0)
        found = await asyncio.gather(*(store.get(KEY) for _ in range(12)))
        await store.close()
        return sum(one is not None for one in found), counts.skipped, counts.faults

    assert (5, 7, 0) == asyncio.run(at_once())


def test_who_gives_up_waiting_leaves_no_answer_for_the_next(make):
    server = make()

    async def cancelled():
        act, close = redis_client.nonblocking(plain(server.port), 1)
        store = redis.RedisStore(
            act, close, prefix="t", timeout=5.0, ticks=time.monotonic, counts=SharedCounts(), said=print
        )
        await store.put(KEY, b"secret of another", 60.0)
        await store.put(OTHER, b"mine", 60.0)
        server.freeze()
        task = asyncio.create_task(store.get(KEY))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])
        server.thaw()
        found = await store.get(OTHER)
        await store.close()
        return found[0]

    assert b"mine" == asyncio.run(cancelled())


def test_a_command_makes_no_task_that_could_swallow_a_cancellation(make):
    """`asyncio.wait_for` of Python 3.11 does, now and then; then nobody ends whoever listens for purges."""
    server, made = make(), []

    async def counted():
        act, close = redis_client.nonblocking(plain(server.port), 1)
        store = redis.RedisStore(
            act, close, prefix="t", timeout=5.0, ticks=time.monotonic, counts=SharedCounts(), said=print
        )
        await store.put(KEY, b"v", 60.0)
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro: made.append(coro) or asyncio.Task(coro, loop=loop))
        found = await store.get(KEY)
        loop.set_task_factory(None)
        await store.close()
        return found[0]

    assert b"v" == asyncio.run(counted())
    assert [] == made


def test_a_store_that_is_full_is_read_all_the_same_and_complained_about_now_and_then(family, single):
    client, clock = single.client(password="canary-pass"), FakeClock()
    store = family.store(at(single), ticks=clock.ticks)
    family.run(store.put(KEY, b"v", 60.0))
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    try:
        for _ in range(3):
            assert family.run(store.claim(OTHER, 5.0))  # everybody asks for himself
            family.run(store.put(OTHER, b"more", 60.0))
            assert family.run(store.tell(b"note")) is None  # and whoever purges tells again
            assert b"v" == family.run(store.get(KEY))[0]
            assert family.run(store.news("0")) is not None
        assert [("shared_cache_full", "OutOfMemoryError ResponseError")] == store.said
        assert 9 == store.counts.faults
        clock.advance(redis.FULL_EVERY)
        family.run(store.put(OTHER, b"more", 60.0))
        assert 2 == len(store.said)
    finally:
        client.config_set("maxmemory", 0)


def test_what_is_not_text_evicted_or_too_large_is_a_miss(family, single):
    client = single.client(password="canary-pass")
    store = family.store(at(single))
    name = b"t:v1:" + KEY
    client.delete(name)
    client.rpush(name, b"a", b"list")
    assert family.run(store.get(KEY)) is None
    assert 1 == store.counts.faults
    assert [] == store.said  # one bad name isn't a lost store
    client.delete(name)
    client.set(name, b"x" * (redis.MOST_BYTES + 1), ex=60)
    assert family.run(store.get(KEY)) is None
    client.set(name, b"for ever")
    assert family.run(store.get(KEY)) is None
    client.delete(name)
    assert family.run(store.get(KEY)) is None
    family.run(store.put(KEY, b"x" * (redis.MOST_BYTES + 1), 9.0))
    family.run(store.put(KEY, b"x", 0.0001))
    assert client.get(name) is None


def test_after_the_end_everything_is_a_miss(family, single):
    store = family.store(at(single))
    family.run(store.put(KEY, b"v", 60.0))
    family.run(store.close())
    assert family.run(store.get(KEY)) is None
