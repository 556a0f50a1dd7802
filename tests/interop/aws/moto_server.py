"""moto in the place of AWS, and boto3 beside it: what they make of each other is as AWS documents it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from interop.needs import AWS, needs
from interop.processes import free_port, listens, process

PYTHON = AWS / ".venv" / "bin" / "python"
AS_ANYBODY = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret/key+1"}


@contextmanager
def moto_server(folder: Path, first: str) -> Iterator[dict[str, str]]:
    """Variables of somebody who uses it, while the block runs; *first* is run by `boto`, and loads what it needs."""
    needs("awslambdaric and moto")
    port = free_port()
    command = [PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with process(command, folder / "moto.log", ready=lambda: listens(port)):
        environ = {**AS_ANYBODY, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        boto(environ, first)
        yield environ


def boto(environ: Mapping[str, str], code: str) -> str:
    """What *code* prints, run beside boto3."""
    script = (
        "import boto3, json, os\n"
        "def client(name):\n"
        "    return boto3.client(name, endpoint_url=os.environ.get('AWS_ENDPOINT_URL'), region_name='eu-west-1')\n"
    )
    done = subprocess.run([PYTHON, "-c", script + code], capture_output=True, text=True, check=True, env=environ)
    return done.stdout
