"""What goes wrong: each fault is a block that begins it and, at its end, mends it."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator
from functools import partial
from math import inf

from chaos.facts import Mood
from chaos.fleet import STORE_TIMEOUT
from chaos.links import Link, Way
from chaos.parts import Part, tree
from chaos.scene import ALL, FAULTS, Scene, fault

STORE_REST = 2.5
"""Seconds until a machine looked for purges in a store that is back: its pause, its last vain try, and a quarter."""
FAR, NEAR = 20.0, 3.0
"""Seconds by which a clock is wrong: by more than `policy.clock_skew`, and by less."""


@fault("nothing", stores=("cluster", "sentinel"))
async def nothing(_: Scene) -> AsyncIterator[None]:
    yield


# -- phantomgate -----------------------------------------------------------------------------------------------------


@fault("a worker of phantomgate is killed")
async def worker_killed(scene: Scene) -> AsyncIterator[None]:
    part = scene.machine().part
    os.kill(tree(part.process.pid)[1], signal.SIGKILL)
    yield
    await part.until_ready()


@fault("a phantomgate is killed, and started again", stores=("cluster", "sentinel"))
async def machine_killed(scene: Scene) -> AsyncIterator[None]:
    machine = scene.machine()
    machine.part.kill()
    yield
    machine.start()
    await machine.part.until_ready()


@fault("a phantomgate freezes", rests=True)
async def machine_frozen(scene: Scene) -> AsyncIterator[None]:
    part = scene.machine().part
    with scene.deaf():
        part.freeze()
        yield
        part.thaw()


@fault("a phantomgate is cut off from the gateways")
async def machine_cut_off(scene: Scene) -> AsyncIterator[None]:
    link = scene.machine().link
    link.set("stalled")
    yield
    link.set("open")


@fault("connections to a phantomgate are reset")
async def machine_reset(scene: Scene) -> AsyncIterator[None]:
    link = scene.machine().link
    link.set("reset")
    yield
    link.set("open")


@fault("all phantomgates are restarted, one after the other")
async def rolling_restart(scene: Scene) -> AsyncIterator[None]:
    for machine in scene.fleet.machines:
        await machine.restart()
    yield


@fault("all phantomgates are killed and started again at once", known=None, new=None)
async def all_killed(scene: Scene) -> AsyncIterator[None]:
    for machine in scene.fleet.machines:
        machine.part.kill()
    yield
    for machine in scene.fleet.machines:
        machine.start()
    await asyncio.gather(*(machine.part.until_ready() for machine in scene.fleet.machines))


# -- the authorization server ----------------------------------------------------------------------------------------


async def _in_mood(scene: Scene, *, mood: Mood) -> AsyncIterator[None]:
    with scene.unasked():
        scene.fleet.realm.set(mood)
        yield
        scene.fleet.realm.set("well")


for _mood, _name, _new in (
    ("slow", "is slow (1 s)", ALL),
    ("down", "hangs up", None),
    ("failing", "answers 500", None),
    ("garbage", "answers nonsense", None),
    ("wrong signature", "signs with a key that is not its own", None),
    ("refusing us", "refuses our client", None),
):
    fault(f"the authorization server {_name}", new=_new)(partial(_in_mood, mood=_mood))  # type: ignore[arg-type]


@fault("the authorization server is killed, and started again", new=None, stores=("cluster", "sentinel"))
async def authority_killed(scene: Scene) -> AsyncIterator[None]:
    with scene.unasked():
        scene.fleet.authority.kill()
        yield
        scene.fleet.authority.start()
        await scene.fleet.authority.until_ready()


@fault("the authorization server freezes", new=None)
async def authority_frozen(scene: Scene) -> AsyncIterator[None]:
    with scene.unasked():
        scene.fleet.authority.freeze()
        yield
        scene.fleet.authority.thaw()


@fault("the way to the authorization server is cut", new=None)
async def authority_cut_off(scene: Scene) -> AsyncIterator[None]:
    with scene.unasked():
        scene.fleet.to_authority.set("stalled")
        yield
        scene.fleet.to_authority.set("open")


@fault("the way to the authorization server is long (0.2 s each way)")
async def authority_far(scene: Scene) -> AsyncIterator[None]:
    scene.fleet.to_authority.delay = 0.2
    yield
    scene.fleet.to_authority.delay = 0.0


# -- the gateways ----------------------------------------------------------------------------------------------------


@fault("an nginx is killed, and started again")
async def gateway_killed(scene: Scene) -> AsyncIterator[None]:
    part = scene.seed.choice(scene.fleet.gateways).part
    part.kill()
    yield
    part.start()
    await part.until_ready()


@fault("an nginx freezes")
async def gateway_frozen(scene: Scene) -> AsyncIterator[None]:
    part = scene.seed.choice(scene.fleet.gateways).part
    part.freeze()
    yield
    part.thaw()


# -- the store -------------------------------------------------------------------------------------------------------


async def _store(scene: Scene, part: Part, *, freeze: bool) -> AsyncIterator[None]:
    """*part* of the store, killed or frozen, and back again."""
    with scene.deaf(STORE_REST):
        if freeze:
            part.freeze()
            yield
            part.thaw()
        else:
            part.kill()
            yield
            part.start()
        await part.until_ready()


@fault("a node of the Redis cluster is killed, and started again", rests=True)
async def node_killed(scene: Scene) -> AsyncIterator[None]:
    async for _ in _store(scene, scene.seed.choice(scene.fleet.store.servers), freeze=False):
        yield


@fault("the Redis node that has the purges freezes", rests=True)
async def node_frozen(scene: Scene) -> AsyncIterator[None]:
    store = scene.fleet.store
    async for _ in _store(scene, store.servers[store.holder("phantomgate:purges")], freeze=True):
        yield


@fault("Redis' primary is killed, its replica takes over", rests=True, stores=("sentinel",))
async def primary_killed(scene: Scene) -> AsyncIterator[None]:
    store = scene.fleet.store
    async for _ in _store(scene, store.servers[await asyncio.to_thread(store.primary)], freeze=False):
        yield


@fault("Redis' primary freezes, its replica takes over", rests=True, stores=("sentinel",))
async def primary_frozen(scene: Scene) -> AsyncIterator[None]:
    store = scene.fleet.store
    async for _ in _store(scene, store.servers[await asyncio.to_thread(store.primary)], freeze=True):
        yield


@fault("two of three sentinels are killed, and started again", rests=True, stores=("sentinel",))
async def sentinels_killed(scene: Scene) -> AsyncIterator[None]:
    with scene.deaf(STORE_REST):
        two = scene.seed.sample(scene.fleet.store.sentinels, 2)
        for part in two:
            part.kill()
        yield
        for part in two:
            part.start()
        await asyncio.gather(*(part.until_ready() for part in two))


async def _cut(scene: Scene, links: list[Link], way: Way) -> AsyncIterator[None]:
    with scene.deaf(STORE_REST):
        for link in links:
            link.set(way)
        yield
        for link in links:
            link.set("open")


@fault("the way to all of Redis is cut", rests=True, stores=("cluster", "sentinel"))
async def store_cut_off(scene: Scene) -> AsyncIterator[None]:
    async for _ in _cut(scene, scene.fleet.store.links, "stalled"):
        yield


@fault("connections to all of Redis are reset", rests=True)
async def store_reset(scene: Scene) -> AsyncIterator[None]:
    async for _ in _cut(scene, scene.fleet.store.links, "reset"):
        yield


@fault("a phantomgate starts while Redis is away, and lets nobody in unheard", rests=True, known=None, new=None)
async def started_unheard(scene: Scene) -> AsyncIterator[None]:
    machine = scene.machine()
    text = machine.settings.read_text()
    machine.settings.write_text(f'{text}unheard = "refuse"\n')
    machine.part.kill()
    async for _ in _cut(scene, scene.fleet.store.links, "stalled"):
        async with machine.saying("worker_ready"):
            machine.start()
        yield
    await machine.part.until_ready()
    async with machine.saying("reloaded"):
        machine.settings.write_text(text)
        machine.hang_up()


@fault("Redis is full, and evicts nothing")
async def store_full(scene: Scene) -> AsyncIterator[None]:
    await asyncio.to_thread(scene.fleet.store.fill)
    yield
    await asyncio.to_thread(scene.fleet.store.empty)


async def _store_far(scene: Scene, *, seconds: float) -> AsyncIterator[None]:
    for link in scene.fleet.store.links:
        link.delay = seconds / 2
    yield
    for link in scene.fleet.store.links:
        link.delay = 0.0


for _part, _what in ((0.8, "just in time"), (1.2, "just too late")):
    fault(f"Redis answers {_what} (redis.timeout x {_part})")(partial(_store_far, seconds=_part * STORE_TIMEOUT))


@fault("the authorization server and Redis are gone at once", rests=True, known=None, new=None, stores=("sentinel",))
async def both_gone(scene: Scene) -> AsyncIterator[None]:
    with scene.unasked():
        scene.fleet.to_authority.set("reset")
        async for _ in _cut(scene, scene.fleet.store.links, "reset"):
            yield
        scene.fleet.to_authority.set("open")


# -- keys, secrets, clocks -------------------------------------------------------------------------------------------


@fault("the issuer's keys are rotated, and the old one is used by a thief", early=True, stores=("cluster", "sentinel"))
async def keys_rotated(scene: Scene) -> AsyncIterator[None]:
    scene.population.steal(scene.fleet.realm.rotate_keys())
    yield


@fault("our secret at the authorization server is rotated")
async def client_secret_rotated(scene: Scene) -> AsyncIterator[None]:
    await scene.fleet.write_secrets(client=scene.fleet.realm.add_secret())
    scene.fleet.realm.drop_secrets()
    yield


@fault("settings become nonsense, and are right again with another secret")
async def settings_nonsense(scene: Scene) -> AsyncIterator[None]:
    fleet = scene.fleet
    one, two, watches = machines = scene.seed.sample(fleet.machines, 3)
    right = {machine.part.name: machine.settings.read_text() for machine in machines}
    watching = right[watches.part.name].replace("[serve]", '[serve]\nreload = "change"', 1)
    watches.settings.write_text(watching)
    async with watches.saying("reloaded"):
        watches.hang_up()
    async with one.saying("reload_failed"):
        one.settings.write_text(right[one.part.name][: len(watching) // 2] + "\n[[[")
        one.hang_up()
    async with two.saying("reload_failed"):
        two.settings.write_text(
            right[two.part.name].replace('scopes = ["read"]', "scopes = 7", 1) + "\n[plicy]\nscopes = []\n"
        )
        two.hang_up()
    async with watches.saying("reload_failed"):
        watches.settings.write_text(watching.replace("[introspection]", "[introspection]\nkeys = 1", 1))
    yield
    (fleet.folder / "client-secret").write_text(fleet.realm.add_secret())
    for machine in machines:
        async with machine.saying("reloaded"):
            machine.settings.write_text(right[machine.part.name])
            if machine is not watches:
                machine.hang_up()
    fleet.realm.drop_secrets()


@fault("the secret of the shared cache is rotated", stores=("cluster", "sentinel"))
async def shared_secret_rotated(scene: Scene) -> AsyncIterator[None]:
    fleet, newer = scene.fleet, secrets.token_hex(32)
    await fleet.write_secrets(**{"other-redis": newer})
    await fleet.write_secrets(**{"redis": newer, "other-redis": (fleet.folder / "redis-secret").read_text()})
    yield
    scene.population.renew()  # the machines share nothing of what they were told before


@fault("the secret of purge calls is rotated")
async def purge_secret_rotated(scene: Scene) -> AsyncIterator[None]:
    newer = secrets.token_hex(32)
    await scene.fleet.write_secrets(purge=newer)
    scene.fleet.purge_secret = newer
    yield


async def _wrong_clock(scene: Scene, *, ahead: float) -> AsyncIterator[None]:
    machine, behind = scene.machine(), scene.fleet.oracle.behind
    span = (time.monotonic(), inf, max(0.0, -ahead))
    behind.append(span)
    await machine.restart(ahead)
    yield
    await machine.restart()
    behind.remove(span)
    behind.append((span[0], time.monotonic(), span[2]))


for _ahead, _how, _promise in ((NEAR, "ahead", {}), (-NEAR, "behind", {}), (FAR, "ahead", {"clock": True}),
                               (-FAR, "behind", {"clock": True, "known": None, "new": None})):  # fmt: skip
    fault(f"the clock of a phantomgate is {abs(_ahead):.0f} s {_how}", **_promise)(partial(_wrong_clock, ahead=_ahead))


__all__ = ["FAULTS"]
