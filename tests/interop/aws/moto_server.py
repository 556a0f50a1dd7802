"""moto in the place of AWS: a server of its own, and boto3 beside it to write and to read what it keeps."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from interop.needs import AWS
from interop.processes import listens, process
from ports import free_port

PYTHON = AWS / ".venv" / "bin" / "python"
AS_ANYBODY = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret/key+1"}
CLIENT = (
    "import boto3, json, os\n"
    "def client(name):\n"
    "    return boto3.client(name, endpoint_url=os.environ.get('AWS_ENDPOINT_URL'), region_name='eu-west-1')\n"
)


@contextmanager
def moto_server(log: Path) -> Iterator[dict[str, str]]:
    """The environment of whoever takes moto for AWS, as long as the block runs."""
    port = free_port()
    command = [PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with process(command, log, ready=lambda: listens(port)):
        yield {**AS_ANYBODY, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}


def boto(environ: Mapping[str, str], code: str) -> str:
    """What *code* prints, run beside boto3; `client(name)` is a client of a service."""
    command = [PYTHON, "-c", CLIENT + code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=dict(environ)).stdout
