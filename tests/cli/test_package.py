"""`phantomgate package`: the same bytes every time, all that the function needs, and nothing that it must not hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from zipfile import ZipFile

import pytest

from lambdas import sample
from loopback_server import SECRET, TOKEN, loopback_server
from phantomgate.cli.main import main
from phantomgate.cli.package import PYTHONS
from phantomgate.cli.packaging.libraries import CRYPTOGRAPHY, JOSERFC, LOCK, REDIS, locked, needed
from phantomgate.config.settings import Settings
from phantomgate.config.settings_aws import Aws

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER = next(one for one in PYTHONS if one != RUNNING)
TOML = """
[introspection]
endpoint = "https://as.example/introspect"
client_id = "gateway"
client_secret = "aws-sm:prod/gateway#client_secret"
[policy]
scopes = ["read"]
[aws]
cache_ttl = "300s"
"""
COLD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from index import handler
try:
    answer = handler(json.loads(sys.argv[2]), None)
except Exception as no:
    answer = {"raised": str(no)}
import phantomgate.aws
print(json.dumps({"answer": answer, "file": phantomgate.aws.__file__, "cached": phantomgate.aws.__spec__.cached}))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def package(*options: str, environ: dict[str, str] | None = None, python: str = RUNNING) -> int:
    return main(["package", "--python", python, "--ca", "none", *options], environ or {})


def names(file: Path) -> set[str]:
    with ZipFile(file) as archive:
        return set(archive.namelist())


def cold(place: Path, event: dict, environ: dict[str, str]) -> dict:
    """What a bare interpreter answers: no site-packages, nothing on the path but *place*."""
    command = [sys.executable, "-I", "-S", "-c", COLD, str(place), json.dumps(event)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    return json.loads(done.stdout)


def test_the_same_zip_twice_and_a_report(folder, capsys):
    (folder / "phantomgate.toml").write_text(TOML)

    assert 0 == package("--output", "one.zip")
    assert 0 == package("--output", "two.zip")
    assert (folder / "one.zip").read_bytes() == (folder / "two.zip").read_bytes()
    told = capsys.readouterr().out
    assert 2 == told.count("sha256 ")
    assert "byte code" in told
    assert "unzipped" in told


def test_time_and_mode_of_every_file_are_fixed(folder):
    assert 0 == package()
    with ZipFile("phantomgate-lambda.zip") as archive:
        infos = archive.infolist()
    assert {(1980, 1, 1, 0, 0, 0)} == {one.date_time for one in infos}
    assert {0o100644} == {one.external_attr >> 16 for one in infos}
    assert sorted(one.filename for one in infos) == [one.filename for one in infos]


def test_it_answers_on_a_bare_interpreter_from_the_zip_alone(folder):
    assert 0 == package()
    with loopback_server() as server:
        event = sample("rest_token", authorizationToken=f"Bearer {TOKEN}")
        said = cold(folder / "phantomgate-lambda.zip", event, server.environ())
        refused = cold(folder / "phantomgate-lambda.zip", sample("rest_token"), server.environ())

    assert said["answer"]["context"]["Authorization"].startswith("Bearer eyJ")
    assert "phantomgate-lambda.zip" in said["file"]
    assert {"raised": "Unauthorized"} == refused["answer"]


def test_unzipped_it_runs_its_byte_code_and_its_settings(folder):
    (folder / "phantomgate.toml").write_text(TOML.replace('"aws-sm:prod/gateway#client_secret"', '"env:CANARY"'))
    assert 0 == package()
    with ZipFile("phantomgate-lambda.zip") as archive:
        archive.extractall(folder / "task")
    pyc = folder / "task" / "phantomgate" / "__pycache__" / f"aws.{sys.implementation.cache_tag}.pyc"
    # PEP 552: hash-based is bit 0, checked is bit 1
    assert MAGIC_NUMBER + (1).to_bytes(4, "little") == pyc.read_bytes()[:8]
    (folder / "task" / "phantomgate" / "aws.py").write_text("raise SystemExit('compiled again')")
    with loopback_server() as server:
        environ = {
            "LAMBDA_TASK_ROOT": str(folder / "task"),
            "PHANTOMGATE__INTROSPECTION__ENDPOINT": server.endpoint,
            "CANARY": SECRET,
        }
        event = sample("rest_token", authorizationToken=f"Bearer {TOKEN}")
        said = cold(folder / "task", event, environ)
    assert str(pyc) == said["cached"]
    assert "ann" == said["answer"]["principalId"]


def test_commands_listeners_and_the_agent_are_not_in_it(folder):
    assert 0 == package()
    there = names(folder / "phantomgate-lambda.zip")
    assert {"index.py", "phantomgate/aws.py", "phantomgate/servers/authorizer.py"} <= there
    for part in ("cli", "demo", "agent", "testing", "asgi", "servers/worker", "servers/proxy"):
        assert not [name for name in there if name.startswith(f"phantomgate/{part}")]


def test_another_version_gets_sources_and_is_told_why(folder, capsys):
    assert 0 == package(python=OTHER)
    assert not [name for name in names(folder / "phantomgate-lambda.zip") if name.endswith(".pyc")]
    assert f"no byte code: python{OTHER} needs its own, and this is python{RUNNING}" in capsys.readouterr().err


def test_a_layer_has_the_code_and_no_settings(folder):
    (folder / "phantomgate.toml").write_text(TOML)
    assert 0 == package("--layer")
    there = names(folder / "phantomgate-layer.zip")
    assert "python/phantomgate/aws.py" in there
    assert {"python"} == {name.partition("/")[0] for name in there}
    assert not [name for name in there if name.endswith((".toml", "index.py"))]


def test_settings_that_need_no_library_get_none_and_settings_are_put_in(folder):
    (folder / "phantomgate.toml").write_text(TOML)
    (folder / "dot").write_text("PHANTOMGATE__INTROSPECTION__CLIENT_SECRET=aws-sm:other\n")
    assert 0 == package("--dotenv", "dot")
    with ZipFile("phantomgate-lambda.zip") as archive:
        assert TOML == archive.read("phantomgate.toml").decode()
        assert b"aws-sm:other" in archive.read(".env")
    assert not [name for name in names(folder / "phantomgate-lambda.zip") if "cryptography" in name]


@pytest.mark.parametrize(
    "line",
    [
        '# client_secret = "hunter2-long"',
        'ENCRYPTION_KEY = "hunter2-long"',
        "# -----BEGIN PRIVATE KEY-----",
        "# AKIAIOSFODNN7EXAMPLE",
        f'# keys = ["{"4e" * 32}"]',
    ],
)
def test_a_secret_in_the_settings_is_refused_and_not_repeated(folder, capsys, line):
    (folder / "phantomgate.toml").write_text(f"{TOML}\n{line}\n")
    assert 2 == package()
    told = capsys.readouterr()
    assert not (folder / "phantomgate-lambda.zip").exists()
    assert "holds a secret" in told.err
    for secret in ("hunter2", "AKIAIOSFODNN7EXAMPLE", "4e4e"):
        assert secret not in told.err + told.out


@pytest.mark.parametrize("line", ["CLIENT_SECRET=hunter2-long", "# CLIENT_SECRET = hunter2-long", f"X={'4e' * 32}"])
def test_a_secret_in_the_dotenv_file_is_refused_and_not_repeated(folder, capsys, line):
    (folder / "phantomgate.toml").write_text(TOML)
    (folder / "dot").write_text(f"A=1\n{line}\n")
    assert 2 == package("--dotenv", "dot")
    told = capsys.readouterr().err
    assert "holds a secret" in told
    assert "hunter2" not in told
    assert not (folder / "phantomgate-lambda.zip").exists()


def test_the_dotenv_file_of_a_node_authorizer_goes_in_without_its_secret(folder):
    (folder / "dot").write_text("HOST=as.example\nINTROSPECTION_PATH=/introspect\nCLIENT_ID=gateway\nSCOPE=read\n")
    assert 0 == package("--dotenv", "dot")
    with ZipFile("phantomgate-lambda.zip") as archive:
        assert b"CLIENT_ID=gateway" in archive.read(".env")


def test_settings_with_problems_make_no_zip(folder, capsys):
    (folder / "phantomgate.toml").write_text(TOML.replace("300s", "300 parsecs"))
    assert 2 == package()
    assert "aws.cache_ttl" in capsys.readouterr().err
    assert not (folder / "phantomgate-lambda.zip").exists()


def test_each_setting_that_verifies_or_signs_brings_its_library():
    from phantomgate.config.loading import Sources, draft

    def of(toml: str) -> frozenset[str]:
        return needed(draft(Sources(toml, "x", {}))[0])

    assert frozenset() == of(TOML)
    assert {CRYPTOGRAPHY} == needed(Settings(aws=Aws(keys="https://as.example/jwks")))
    assert {CRYPTOGRAPHY} == of('[[issuers]]\nname = "a"\nissuer = "https://as.example"\n')
    assert frozenset() == of('[[issuers]]\nname = "a"\nissuer = "https://as.example"\nmode = "introspect"\n')
    assert {CRYPTOGRAPHY} == of('[introspection]\nverify = "signature"\n')
    assert {CRYPTOGRAPHY} == of('[introspection]\nanswer = "signed"\n')
    assert {CRYPTOGRAPHY} == of('[session]\nkeys = ["env:K"]\n')
    assert {CRYPTOGRAPHY, REDIS} == of('[redis]\nnodes = ["10.0.0.7:6379"]\n')
    assert {CRYPTOGRAPHY, JOSERFC} == of('[mint]\nkeys = ["env:K"]\n')
    assert {CRYPTOGRAPHY, JOSERFC} == of('[introspection]\nclient_auth = "private_key_jwt"\n')
    assert {CRYPTOGRAPHY, JOSERFC} == of('[introspection]\ndecryption_key = "env:K"\n')
    assert {CRYPTOGRAPHY, JOSERFC} == of('[exchange]\nclient_auth = "client_secret_jwt"\n')


def test_libraries_that_cant_be_fetched_are_said_and_nothing_is_written(folder, monkeypatch, capsys):
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    assert 1 == package("--with", "cryptography", "--arch", "arm64")
    assert "can't fetch cryptography for arm64" in capsys.readouterr().err
    assert [] == list(folder.iterdir())


def test_the_lock_has_a_hash_for_every_version_and_no_host():
    text = LOCK.read_text()
    assert "://" not in text
    part = locked({JOSERFC}, text)
    assert 3 == part.count("==")
    assert all("--hash=sha256:" in block for block in part.split("\n\n"))
    with pytest.raises(ValueError, match="joserfc"):
        locked({JOSERFC}, locked({CRYPTOGRAPHY}, text))
