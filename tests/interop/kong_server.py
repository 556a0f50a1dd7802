"""Kong's real Python plugin server with the plugin of deploy/kong-python, and Kong as far as that server can tell.

There is no Kong to be had as a package; its part of the conversation is MessagePack-RPC on a unix socket.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import phantomgate
from interop.needs import HERE, needs, python_of
from interop.processes import process

PLUGINS = HERE.parents[1] / "deploy" / "kong-python" / "plugins"
TERMINAL = ("kong.response.exit", "kong.response.error")


@dataclass
class Outcome:
    """What the plugin told Kong: its calls in order, and its answer to the client, if any."""

    calls: list[tuple[str, list[Any]]] = field(default_factory=list)
    exit: list[Any] | None = None

    @property
    def marked(self) -> bool:
        """Whether kong.yml's function would let the request go on."""
        return self.exit is None and ("kong.ctx.shared.set", ["phantomgate", "allowed"]) in self.calls

    def upstream(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The client's *fields* after the calls, in lower case."""
        left = {name.lower(): value for name, value in fields.items()}
        for method, arguments in self.calls:
            if method == "kong.service.request.clear_header":
                left.pop(arguments[0].lower(), None)
            elif method == "kong.service.request.set_header":
                left[arguments[0].lower()] = arguments[1]
        return left


class Kong:
    """A connection to the plugin server. Its state: the socket, what is left to unpack, how much was asked."""

    def __init__(self, file: Path, settings: Path) -> None:
        import msgpack

        self._msgpack = msgpack
        self._unpacker = msgpack.Unpacker(strict_map_key=False)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(file))
        self._number = 0
        config = json.dumps({"settings": str(settings)}).encode()
        try:
            self.instance = self.call("StartInstance", {"Name": "phantomgate", "Config": config})["Id"]
        except BaseException:
            self.close()
            raise

    def call(self, method: str, *arguments: Any) -> Any:
        """One RPC. Raises RuntimeError with what the server says went wrong."""
        self._number += 1
        self._socket.sendall(self._msgpack.packb([0, self._number, f"plugin.{method}", list(arguments)]))
        while True:
            self._unpacker.feed(self._socket.recv(65536))
            for answer in self._unpacker:
                if answer[2]:
                    raise RuntimeError(answer[2])
                return answer[3]

    def request(self, path: str = "/", headers: Any = None, *, method: str = "GET", **said: Any) -> Outcome:
        """Let the plugin see a request; *said* are other answers by the name of the PDK's function."""
        raw_path, _, query = path.partition("?")
        answers = {
            "kong.request.get_method": method,
            "kong.request.get_raw_path": raw_path,
            "kong.request.get_raw_query": query,
            "kong.request.get_host": "api.example",
            "kong.request.get_headers": {"host": "api.example"} if headers is None else headers,
            "kong.client.get_ip": "192.0.2.1",
            **{f"kong.request.{name}": value for name, value in said.items()},
        }
        outcome = Outcome()
        told = self.call("HandleEvent", {"InstanceId": self.instance, "EventName": "access", "Params": ["x"]})
        while (data := told["Data"]) != "ret":
            name, arguments = data["Method"], list(data.get("Args") or [])
            if name in TERMINAL:
                outcome.exit = arguments
                return outcome
            if name not in answers:
                outcome.calls.append((name, arguments))
            told = self.call("Step", {"EventId": told["EventId"], "Data": answers.get(name)})
        return outcome

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


@contextmanager
def kong(folder: Path, settings: Path, environ: Mapping[str, str], *more: str) -> Iterator[Kong]:
    """The plugin server with the shipped plugin, while the block runs."""
    needs("Kong's Python plugin server")
    file = folder / "kong.sock"
    command = [python_of("kong"), "-c", "from kong_pdk.cli import start_server; start_server()", "-d", PLUGINS]
    command += ["-p", folder, "--socket-name", "kong.sock", *more]
    code = str(Path(phantomgate.__file__).parents[1])
    with process(command, folder / "kong.log", ready=file.exists, environ={**environ, "PYTHONPATH": code}):
        one = Kong(file, settings)
        try:
            yield one
        finally:
            one.close()
