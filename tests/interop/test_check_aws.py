"""`phantomgate check --aws` on what a real tool makes for CloudFormation: the Serverless Framework's package."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

from interop.needs import command, needs
from interop.serverless_offline import MODULES, copied
from phantomgate.cli.main import main
from sealed import KEY

pytestmark = pytest.mark.interop
SHIPPED = Path(__file__).parents[2] / "deploy" / "aws" / "serverless"
ENVIRON = {
    "TRUSTED_WEB_ORIGINS": "https://www.example.com",
    "COOKIE_NAME_PREFIX": "example",
    "ENCRYPTION_KEY": KEY,
    "INTROSPECTION_URL": "https://as.example/introspect",
    "CLIENT_ID": "gateway",
    "CLIENT_SECRET": "canary-7781",
}


def checked(folder: Path, capsys, *changes: tuple[str, str]) -> tuple[int, list[tuple[str, str]]]:
    """What is found in the package of the shipped service with *changes*."""
    needs("serverless-offline")
    copied(SHIPPED, folder)
    (folder / "node_modules").symlink_to(MODULES, target_is_directory=True)
    with ZipFile(folder / "phantomgate.zip", "w") as made:
        made.writestr("index.py", "")
    text = (folder / "serverless.yml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "serverless.yml").write_text(text)
    osls = [command("node") or "node", folder / "node_modules" / "osls" / "bin" / "serverless.js", "package"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "SLS_TELEMETRY_DISABLED": "1", **ENVIRON}
    done = subprocess.run(osls, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert 0 == done.returncode, done.stdout + done.stderr
    code = main(["check", "--aws", str(folder / ".serverless/cloudformation-template-update-stack.json"), "--json"], {})
    out = capsys.readouterr().out
    assert "canary" not in out
    assert KEY not in out
    return code, [(one["kind"], one["check"]) for one in json.loads(out)["findings"]]


def test_the_shipped_service_has_nothing_unsafe(tmp_path, capsys):
    code, found = checked(tmp_path / "service", capsys)

    assert 0 == code
    assert {("advice", "settings"), ("advice", "secret-written")} == set(found)


def test_one_that_remembers_answers_for_sessions_has(tmp_path, capsys):
    code, found = checked(tmp_path / "service", capsys, ("resultTtlInSeconds: 0", "resultTtlInSeconds: 300"))

    assert 1 == code
    assert {("unsafe", "ttl-differs"), ("unsafe", "rules-and-ttl"), ("unsafe", "identity-without-token")} <= set(found)


def test_one_with_a_route_that_nobody_guards_has(tmp_path, capsys):
    route = "    events:\n      - http: {path: /open, method: get}\n      - http:\n"
    code, found = checked(tmp_path / "service", capsys, ("    events:\n      - http:\n", route))

    assert (1, True) == (code, ("unsafe", "route-open") in found)
