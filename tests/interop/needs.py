"""Servers that are not ours: which are here, and what becomes of a test when one isn't.

Rule: a test that lacks its server is skipped with the server's name, so that the summary lists what was not tried; with
CI=true it fails instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
AWS = HERE / "aws"
MODULES = Path("/usr/lib/nginx/modules")
LUA_SOCKET = Path("/usr/share/lua/5.1/socket")
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
GLEWLWYD_TABLES = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")


def command(name: str) -> str | None:
    """The path of a program, also of one that only root's PATH has."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def python_of(folder: str) -> Path:
    """The Python of a server that `install.sh` put into an environment of its own, with what it needs."""
    return HERE / folder / ".venv" / "bin" / "python"


def installed(folder: str) -> bool:
    """Whether the environment in *folder* holds exactly what its requirements name."""
    wanted, there = HERE / folder / "requirements.txt", HERE / folder / ".venv" / "installed.txt"
    return python_of(folder).exists() and there.is_file() and there.read_bytes() == wanted.read_bytes()


def version_in(folder: str, package: str) -> str:
    """The version of a Python package in the environment in *folder*."""
    (found,) = (HERE / folder / ".venv").glob(f"lib/python*/site-packages/{package}-*.dist-info")
    return found.name.removesuffix(".dist-info").rpartition("-")[2]


SERVERS: Mapping[str, Callable[[], object]] = {
    "nginx": lambda: command("nginx"),
    "nginx's JavaScript module": (MODULES / "ngx_http_js_module.so").is_file,
    "nginx's set-misc module": (MODULES / "ngx_http_set_misc_module.so").is_file,
    "nginx's Lua module": (MODULES / "ngx_http_lua_module.so").is_file,
    "Traefik": lambda: installed("traefik"),
    "Caddy": lambda: command("caddy"),
    "a current Caddy": lambda: installed("caddy"),
    "Envoy": lambda: installed("envoy"),
    "Apache": lambda: command("apache2") and LUA_SOCKET.is_dir(),
    "Varnish": lambda: command("varnishd") and command("cc"),
    "HAProxy": lambda: command("haproxy"),
    "Kong's Python plugin server": lambda: installed("kong"),
    "grpcio": lambda: find_spec("grpc"),
    "Node": lambda: command("node"),
    "oidc-provider": lambda: command("node") and (HERE / "oidc_provider" / "node_modules" / "oidc-provider").is_dir(),
    "serverless-offline": lambda: (
        command("node") and (HERE / "serverless" / "node_modules" / "serverless-offline").is_dir()
    ),
    "apigeelint and Kubernetes' models": lambda: (
        command("node") and (HERE / "linters" / "node_modules" / ".installed-lock.json").is_file()
    ),
    "Glewlwyd": lambda: command("glewlwyd") and GLEWLWYD_TABLES.is_file(),
    "django-oauth-toolkit": lambda: installed("django_oauth_toolkit"),
    "Canaille": lambda: installed("canaille"),
    "Chromium": lambda: command("chromium"),
    "promtool": lambda: command("promtool"),
    "Prometheus": lambda: command("prometheus"),
    "systemd-analyze": lambda: command("systemd-analyze"),
    "Redis": lambda: command("redis-server"),
    "libfaketime": FAKETIME.is_file,
    "wrk": lambda: command("wrk"),
    "cfn-lint": lambda: installed("sam"),
    "the AWS CDK": lambda: (
        command("node") and installed("cdk") and (HERE / "cdk" / "node_modules" / "aws-cdk").is_dir()
    ),
    "checkov": lambda: installed("checkov"),
    "curl": lambda: command("curl"),
    "awslambdaric and moto": (AWS / ".venv" / ".installed-requirements.txt").is_file,
}
"""Name -> whether it is here."""


def needs(
    *names: str, servers: Mapping[str, Callable[[], object]] = SERVERS, environ: Mapping[str, str] = os.environ
) -> None:
    """Go on only if all these servers are here."""
    missing = [name for name in names if not servers[name]()]
    if not missing:
        return
    text = f"needs {' and '.join(missing)}; sh tests/interop/install.sh installs it"
    if environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
