"""The fleet on one machine: three phantomgates, two nginx, a store, an authorization server and an API, with the ways
between them.

Rule: what is tested is what is shipped: phantomgate with settings as the docs have them, nginx with the files of
`phantomgate init nginx`, but for the one line that names its phantomgates, of which there are three.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import phantomgate as package
from chaos import api
from chaos.broken import Broken
from chaos.facts import AUDIENCE, CLIENT_ID, ISSUER, JWT_ISSUER
from chaos.links import Link
from chaos.oracle import Oracle
from chaos.parts import Part
from chaos.population import MAX_AGE
from chaos.realm import Realm
from chaos.stores import STORES, Kind, Store
from interop.asking import ask
from interop.needs import FAKETIME
from interop.nginx_server import SHARED_MEMORY, command_line, written
from interop.processes import listens
from ports import free_port

TESTS = Path(__file__).parents[1]
CODE = {"PYTHONPATH": f"{Path(package.__file__).parents[1]}:{TESTS}"}
MACHINES = ("one", "two", "three")
RELOAD_SECONDS = 30.0
STORE_TIMEOUT = 0.5
"""The fleet's `redis.timeout`, seconds: one machine plays all of them."""
_FIELDS = re.compile(rb"\r\nAuthorization: ([^\r\n]+)\r\n")


@dataclass
class Machine:
    """A phantomgate: its program, the way to it, where it is told of purges, and where it says how it is."""

    part: Part
    link: Link
    purges: int
    manage: int

    def start(self, ahead: float = 0.0) -> None:
        """Start it, with a clock that is *ahead* by so many seconds, or behind."""
        skewed = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{ahead:+}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.part.start(**(skewed if ahead else {}))

    def said(self, event: str) -> int:
        """How often it logged *event*."""
        return self.part.log.read_text(errors="replace").count(f'"event":"{event}"')

    @property
    def settings(self) -> Path:
        """Its file."""
        return self.part.cwd / "phantomgate.toml"

    def hang_up(self) -> None:
        """Have it read its settings again."""
        os.kill(self.part.process.pid, signal.SIGHUP)

    @asynccontextmanager
    async def saying(self, event: str) -> AsyncIterator[None]:
        """What the block does has it log *event*, for which this waits."""
        seen = self.said(event)
        yield
        async with asyncio.timeout(RELOAD_SECONDS):
            while self.said(event) <= seen:  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.05)

    def events(self, most: int = 6) -> list[str]:
        """What it logged last, besides decisions."""
        lines = [line for line in self.part.log.read_text(errors="replace").splitlines() if '"decision"' not in line]
        return lines[-most:]

    async def restart(self, ahead: float = 0.0) -> None:
        """End it in good order, start it again, and wait until it is ready, as a rolling restart does."""
        await self.part.stop()
        self.start(ahead)
        await self.part.until_ready()


@dataclass(frozen=True)
class Gateway:
    """An nginx. *remembers*: with `init nginx --cached`."""

    part: Part
    port: int
    remembers: bool


@dataclass
class Fleet:
    """All that runs."""

    folder: Path
    realm: Realm
    oracle: Oracle
    authority: Part
    to_authority: Link
    store: Store
    machines: list[Machine]
    gateways: list[Gateway]
    purge_secret: str
    asked: dict[str, str]
    """Which machine was asked last about an Authorization field, as far as that can be seen from outside."""

    @property
    def parts(self) -> list[Part]:
        """Every program."""
        ours = [*(one.part for one in self.machines), *(one.part for one in self.gateways)]
        return [*ours, self.authority, *self.store.parts]

    @property
    def links(self) -> list[Link]:
        """Every way."""
        return [*(one.link for one in self.machines), self.to_authority, *self.store.links]

    async def write_secrets(self, **secrets: str) -> None:
        """Give the machines other secrets, by the names of their files, while they serve: by SIGHUP, one by one."""
        for name, value in secrets.items():
            (self.folder / f"{name}-secret").write_text(value)
        for machine in self.machines:
            async with machine.saying("reloaded"):
                machine.hang_up()


@asynccontextmanager
async def fleet(folder: Path, kind: Kind, oracle: Oracle, broken: Broken | None = None) -> AsyncIterator[Fleet]:
    """The fleet with the store *kind*, while the block runs; one of its machines is *broken*, if that is told."""
    async with AsyncExitStack() as stack:
        parts: list[Part] = []
        stack.callback(lambda: [part.kill() for part in parts])
        server, api_port = await api.serve()
        stack.callback(server.close)

        realm = Realm(folder / "facts.json", oracle)
        port = free_port()
        authority = Part(
            "authorization server",
            [sys.executable, "-m", "chaos.authority", str(port), str(realm.place)],
            folder / "authority.log",
            ready=lambda: ask(port, "/asked").status == 200,
            cwd=folder,
            environ=CODE,
        )
        to_authority = Link(port)
        await to_authority.listen()
        parts.append(authority)
        authority.start()

        for name in ("redis", "other-redis", "purge", "client"):
            (folder / f"{name}-secret").write_text(secrets.token_hex(32))
        (folder / "client-secret").write_text(realm.facts.secrets[0])
        store = await STORES[kind](folder)
        parts += store.parts

        machines, asked = [], {}
        for name in MACHINES:
            (folder / name).mkdir()
            machines.append(await _machine(folder, name, to_authority.port, store, asked, broken))
            parts.append(machines[-1].part)
            machines[-1].start()
        memory = Path(
            tempfile.mkdtemp(prefix="phantomgate-chaos-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None)
        )
        stack.callback(shutil.rmtree, memory, ignore_errors=True)
        gateways = [_gateway(folder, machines, api_port, memory if remembers else None) for remembers in (False, True)]
        await authority.until_ready()
        await asyncio.gather(*(one.part.until_ready() for one in machines))
        for one in gateways:
            parts.append(one.part)
            one.part.start()
            await one.part.until_ready()
        secret = (folder / "purge-secret").read_text()
        made = Fleet(folder, realm, oracle, authority, to_authority, store, machines, gateways, secret, asked)
        try:
            yield made
        finally:
            for part in parts:
                part.kill()
            for link in made.links:
                await link.close()


async def _machine(
    folder: Path, name: str, authority: int, store: Store, asked: dict[str, str], broken: Broken | None
) -> Machine:
    listen, manage, purges = free_port(), free_port(), free_port()

    def note(data: bytes) -> None:
        for field in _FIELDS.findall(data):
            asked[field.decode("latin-1")] = name

    link = Link(listen, note)
    await link.listen()
    place = folder / name
    text = _settings(folder, listen, manage, purges, f"http://127.0.0.1:{authority}", store.settings)
    command: list[str | Path] = [sys.executable, "-m", "phantomgate", "serve"]
    if broken is not None and name == MACHINES[-1]:
        text, command = broken.settings(text), broken.command(command, listen, manage)
    (place / "phantomgate.toml").write_text(text)
    ready = lambda: ask(manage, "/readyz").status == 200  # noqa: E731
    part = Part(f"phantomgate {name}", command, place / "log", ready=ready, cwd=place, environ=CODE)
    return Machine(part, link, purges, manage)


def _settings(folder: Path, listen: int, manage: int, purges: int, authority: str, store: str) -> str:
    """The settings of one machine; the three differ in where they listen only."""
    return f"""
[serve]
listen = "127.0.0.1:{listen}"
manage = "127.0.0.1:{manage}"
source = "original"
nginx = true
drain = "5s"

[introspection]
endpoint = "{authority}/introspect"
issuer = "{ISSUER}"
keys = "{authority}/answer-keys"
algorithms = ["ES256"]
verify = "signature"
client_id = "{CLIENT_ID}"
client_secret = "file:{folder}/client-secret"

[[issuers]]
name = "main"
issuer = "{JWT_ISSUER}"
audiences = ["{AUDIENCE}"]
algorithms = ["ES256"]
keys = "{authority}/jwks"

[cache]
max_age = "{MAX_AGE}s"

[policy]
scopes = ["read"]
audiences = ["{AUDIENCE}"]
issuers = ["{ISSUER}", "{JWT_ISSUER}"]

[forward]
claims = {{ "X-User" = "sub" }}

[redis]
{store}
secret = "file:{folder}/redis-secret"
other_secrets = ["file:{folder}/other-redis-secret"]
timeout = "{STORE_TIMEOUT * 1000:.0f}ms"

[revocation]
secret = "file:{folder}/purge-secret"
listen = "127.0.0.1:{purges}"
"""


def _gateway(folder: Path, machines: list[Machine], api_port: int, memory: Path | None) -> Gateway:
    remembers = memory is not None
    name = "nginx that remembers" if remembers else "nginx"
    place = folder / name.replace(" ", "-")
    port = free_port()
    options = ["--bind", f"127.0.0.1:{port}", "--api", f"127.0.0.1:{api_port}"]
    if remembers:
        options += ["--cached", "--cache", str(memory / "decisions")]
    written(folder / MACHINES[0] / "phantomgate.toml", place, *options)
    conf = place / "phantomgate.conf"
    servers = "\n    ".join(f"server 127.0.0.1:{one.link.port} fail_timeout=1s;" for one in machines)
    text, changed = re.subn(
        r"(?m)^( +)server 127\.0\.0\.1:\d+;$", lambda found: f"{found[1]}{servers}", conf.read_text()
    )
    assert changed == 1, f"{changed} lines name phantomgate"
    conf.write_text(text)
    part = Part(name, command_line(place), place / "stderr.log", ready=lambda: listens(port), cwd=place)
    return Gateway(part, port, remembers)
