"""nginx with the files of `phantomgate init nginx`, not one byte changed: what differs is said by its options."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from interop.needs import command, needs
from interop.processes import listens, process
from phantomgate.cli.main import main
from ports import free_port

SHARED_MEMORY = Path("/dev/shm")

VARIANTS: Mapping[str, tuple[list[str], str]] = {
    "direct": ([], ""),
    "cached": (["--cached"], "nginx's JavaScript module"),
    "cached-set-misc": (["--cached", "--hash", "set-misc"], "nginx's set-misc module"),
}
"""Folder of deploy/nginx -> the options that write it, and the module it needs."""


@dataclass(frozen=True)
class Nginx:
    """A running nginx: where it listens, its folder, and the folder of remembered decisions."""

    port: int
    folder: Path
    cache: Path | None

    def log(self) -> str:
        """Its error log."""
        return (self.folder / "error.log").read_text(errors="replace")

    def access_log(self) -> list[str]:
        """Its access log, by lines."""
        return (self.folder / "access.log").read_text(errors="replace").splitlines()

    def files(self) -> dict[str, bytes]:
        """Every file that it wrote, in its own folder and in the cache."""
        folders = [self.folder, *([self.cache] if self.cache else [])]
        return {str(file): file.read_bytes() for folder in folders for file in folder.rglob("*") if file.is_file()}


@contextmanager
def nginx(
    settings: Path,
    api: int,
    *,
    variant: str = "direct",
    own: Callable[[str], str] = lambda example: example,
    port: int = 0,
    weaken: Callable[[Path], None] = lambda folder: None,
) -> Iterator[Nginx]:
    """An nginx in front of the API on port *api*, configured from the settings file, while the block runs.

    *variant* is one of VARIANTS. *own* makes a user's own nginx.conf of the example; what that includes stays as it is,
    unless *weaken* does to the folder what nobody should. *port* is where it listens, if that must be known before.
    """
    options, module = VARIANTS[variant]
    needs("nginx", *([module] if module else []))
    memory = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="phantomgate-nginx-"))
    cache = Path(tempfile.mkdtemp(prefix="phantomgate-cache-", dir=memory)) if module else None
    port = port or free_port()
    try:
        options = [*options, "--cache", str(cache)] if cache else options
        written(settings, folder, "--bind", f"127.0.0.1:{port}", "--api", f"127.0.0.1:{api}", *options)
        example = folder / "nginx.conf"
        example.write_text(own(example.read_text()))
        weaken(folder)
        with running(folder, port):
            yield Nginx(port, folder, cache)
    finally:
        shutil.rmtree(folder)
        if cache:
            shutil.rmtree(cache)


def written(settings: Path, folder: Path, *options: str) -> None:
    """Run `phantomgate init nginx`."""
    assert main(["init", "nginx", "--config", str(settings), "--output", str(folder), *options], {}) == 0


@contextmanager
def running(folder: Path, port: int) -> Iterator[None]:
    """The nginx of *folder*, while the block runs."""
    with process(command_line(folder), folder / "stderr.log", ready=lambda: listens(port)):
        yield


def command_line(folder: Path) -> list[str]:
    """What runs the nginx of *folder* in the foreground."""
    alone = "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"  # a test's folders are root's, then
    return [command("nginx") or "nginx", "-p", f"{folder}/", "-c", "nginx.conf", "-g", alone]
