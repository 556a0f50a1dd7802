"""The CDK app of deploy/aws/cdk, as a user runs it: a copy as shipped, the zip that the command writes, `cdk synth`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from interop.needs import HERE, python_of

APP = Path(__file__).parents[2] / "deploy" / "aws" / "cdk"
SOURCE = Path(__file__).parents[2] / "src"
QUIET = {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1", "CDK_DISABLE_VERSION_CHECK": "1"}


def run(folder: Path, *command: object, **environ: str) -> subprocess.CompletedProcess[str]:
    """A command in *folder*."""
    return subprocess.run(
        [*map(str, command)], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "AWS_DEFAULT_REGION": "eu-west-1", "PYTHONDONTWRITEBYTECODE": "1", **QUIET, **environ},
    )  # fmt: skip


def synthesise(folder: Path) -> Path:
    """The app in *folder*, synthesised into `cdk.out` there."""
    app = Path(shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__", "cdk.out", "*.zip")))
    made = run(app, sys.executable, "-m", "phantomgate", "package", "--ca", "none", PYTHONPATH=str(SOURCE))
    assert 0 == made.returncode, made.stderr
    path = f"{python_of('cdk').parent}{os.pathsep}{os.environ['PATH']}"  # cdk.json says python3
    done = run(app, HERE / "cdk" / "node_modules" / ".bin" / "cdk", "synth", "--quiet", PATH=path)
    assert 0 == done.returncode, done.stderr
    return app
