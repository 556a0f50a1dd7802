"""osls with serverless-offline, which plays API Gateway and Lambda on this machine.

An emulator: what it shows is that our handler, started by a runner of Lambda's kind, answers every kind of event so
that the JWT comes to an integration, or nothing does. It is no proof of what AWS does: its events and ARNs are
adapted by `deploy/aws/local/offline.py`, it remembers no answer, and every exception is a 401 to it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from interop.needs import HERE, command, needs
from interop.processes import listens, process
from ports import free_port

LOCAL = HERE.parents[1] / "deploy" / "aws" / "local"
MODULES = HERE / "serverless" / "node_modules"
SOURCE = HERE.parents[1] / "src"


@contextmanager
def serverless_offline(folder: Path, environ: Mapping[str, str]) -> Iterator[int]:
    """The service in *folder* while the block runs: the port of its APIs. Its log is `offline.log` there."""
    needs("serverless-offline")
    (folder / "node_modules").symlink_to(MODULES, target_is_directory=True)
    port, lambda_port = free_port(), free_port()
    osls = folder / "node_modules" / "osls" / "bin" / "serverless.js"
    here = ["--host", "127.0.0.1", "--httpPort", str(port), "--lambdaPort", str(lambda_port)]
    quiet = {"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "HOME": str(folder)}
    python = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(SOURCE)}
    node = [command("node") or "node", osls, "offline", *here]
    log = folder / "offline.log"
    with process(node, log, ready=lambda: listens(port), cwd=folder, environ={**quiet, **python, **environ}):
        yield port


def copied(source: Path, folder: Path) -> Path:
    """What we ship in *source*, in a *folder* of its own."""
    return Path(shutil.copytree(source, folder))
