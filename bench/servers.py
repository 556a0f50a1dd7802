"""Starting what is measured: ours, the peers and the stubs, each a process that ends with the run.

Rule: loopback, ports the kernel chose, everything below one scratch folder; a server is used only when it answers
right, and is ended by its own process id, also when the run fails. If the run itself is killed, the kernel ends them.
"""

from __future__ import annotations

import ctypes
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import Broken, Missing, tree

HERE = Path(__file__).parent
PEERS = HERE / "peers"
ROOT = HERE.parent
MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so", "ngx_http_js_module.so", "ngx_http_set_misc_module.so")
"""What every nginx loads, whether it needs it or not, so that they differ in nothing else."""
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def program(name: str) -> str:
    """Where *name* is installed. Raises Missing."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise Missing(f"{name} is not installed")
    return found


def nginx_module(name: str) -> str:
    """Where nginx's dynamic module *name* is. Raises Missing."""
    for folder in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/etc/nginx/modules"):
        if Path(folder, name).exists():
            return f"{folder}/{name}"
    raise Missing(f"nginx's {name} is not installed")


@dataclass(frozen=True, slots=True)
class Server:
    """A process that is up."""

    name: str
    pid: int
    port: int
    log: Path


def _end_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def serving(
    name: str,
    argv: Sequence[str],
    *,
    port: int,
    folder: Path,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
    patience: float = 20.0,
) -> Iterator[Server]:
    """The server *name*, from the moment it is *ready* until the block ends. What it says goes to a file of its own."""
    log = folder / f"{name.replace(' ', '-').replace('/', '-')}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder,
            env={**environment(), **(env or {})},
            preexec_fn=_end_with_parent,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + patience
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-2000:]
                raise Broken(f"{name} did not get ready (exit code {process.poll()}): {tail}")
            time.sleep(0.05)
        yield Server(name, process.pid, port, log)
        if process.poll() is not None:
            raise Broken(f"{name} ended by itself with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """TERM to *process*; what of its tree is left after five seconds is killed, by process id."""
    family = tree(process.pid) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(port: int, path: str, headers: Mapping[str, str], *, timeout: float = 5.0) -> Answer:
    """One GET on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
    finally:
        connection.close()


def answers(port: int, path: str = "/", headers: Mapping[str, str] | None = None, *, status: int = 0) -> bool:
    """Whether something answers on *port* (with *status*, when given)."""
    try:
        answer = ask(port, path, headers or {})
    except (OSError, http.client.HTTPException):
        return False
    return status in (0, answer.status)


def fill(template: Path, **values: object) -> str:
    """*template* with every @NAME@ replaced; the dollar is nginx's own."""
    text = template.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    if "@" in text.replace("location @", ""):
        raise Broken(f"{template.name} has a placeholder nobody filled")
    return text


@contextmanager
def nginx(name: str, site: str, *, port: int, folder: Path, ready: Callable[[], bool], patience: float = 20.0
) -> Iterator[Server]:  # fmt: skip
    """An nginx of one worker with the tuning that all share (peers/nginx.conf) and *site* as its http content."""
    prefix = folder / name.replace(" ", "-")
    prefix.mkdir()
    load = "\n".join(f"load_module {nginx_module(module)};" for module in MODULES)
    conf = prefix / "nginx.conf"
    (prefix / "site.conf").write_text(site)
    conf.write_text(fill(PEERS / "nginx.conf", MODULES=load, PREFIX=prefix, ROOT_USER=_user_line()))
    argv = [program("nginx"), "-p", str(prefix), "-c", str(conf), "-e", "stderr"]
    with serving(name, argv, port=port, folder=folder, ready=ready, patience=patience) as server:
        yield server


def _user_line() -> str:
    return "user root;" if os.geteuid() == 0 else ""  # a worker of another user could not read the scratch folder


def environment() -> dict[str, str]:
    """The environment of what we start: ours, with this checkout's phantomgate in front."""
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path}


def python(*words: str) -> list[str]:
    """The command line of a Python program of ours."""
    return [sys.executable, *words]


@contextmanager
def redis_server(folder: Path) -> Iterator[Server]:
    """A Redis or Valkey of our own, which writes nothing. Raises Missing."""
    found = next(filter(None, map(shutil.which, ("redis-server", "valkey-server"))), None)
    if found is None:
        raise Missing("redis-server is not installed")
    port = free_port()
    argv = [found, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with serving(f"redis {port}", argv, port=port, folder=folder, ready=lambda: _listens(port)) as server:
        yield server


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
