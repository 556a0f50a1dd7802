"""The libraries that settings need in a function, fetched for its platform and not for ours.

Rule: versions and hashes are those of `libraries.txt`, which `make lock` writes; nothing is built, so no code of a
package runs here.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from phantomgate.config.settings import Settings

LOCK = Path(__file__).with_name("libraries.txt")
CRYPTOGRAPHY, JOSERFC, REDIS = "cryptography", "joserfc", "redis"
_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
_WITH = {
    CRYPTOGRAPHY: (CRYPTOGRAPHY, "cffi"),
    JOSERFC: (CRYPTOGRAPHY, "cffi", JOSERFC),
    REDIS: (CRYPTOGRAPHY, "cffi", REDIS),
}
_LEFT_OUT = re.compile(r"bin/|cffi/|.*\.dist-info/(?:RECORD|INSTALLER|REQUESTED|WHEEL|sboms/.*)$|.*\.(?:pyi|h|pyc)$")
"""cffi's Python part makes bindings; using them takes `_cffi_backend` alone."""


class NotFetched(Exception):
    """pip could not get the libraries; what it said is the text."""


def needed(settings: Settings, *, agent: bool = False) -> frozenset[str]:
    """What *settings* need besides the standard library: nothing, for phantom tokens. *agent*: for the OAuth agent."""
    asked = [settings.introspection, *(one.introspection for one in settings.issuers)]
    clients = [*asked, settings.exchange, *([settings.agent] if agent else [])]
    signs = (
        bool(settings.mint.keys)
        or any(one.client_key or one.client_auth in ("client_secret_jwt", "private_key_jwt") for one in clients)
        or any(one.decryption_key for one in asked)
    )
    verifies = (
        bool(settings.aws.keys or settings.session.keys)
        or any(one.mode != "introspect" for one in settings.issuers)
        or any(one.verify == "signature" or one.answer == "signed" for one in asked)
    )
    shares = bool(settings.redis.nodes)  # what is shared is sealed
    wanted = {CRYPTOGRAPHY: signs or verifies or shares, JOSERFC: signs, REDIS: shares}
    return frozenset(name for name, wants in wanted.items() if wants)


def locked(wanted: Collection[str], lock: str) -> str:
    """The part of *lock* that is about *wanted* and what those can't be without."""
    names = {name for one in wanted for name in _WITH[one]}
    blocks = re.findall(r"^([a-z0-9-]+)(==\S+.*(?:\n[ ]+--hash=.*)+)", lock, re.MULTILINE)
    kept = {name: f"{name}{rest}\n" for name, rest in blocks if name in names}
    if missing := names - kept.keys():
        raise ValueError(f"has no {', '.join(sorted(missing))}; make lock writes it")
    return "".join(kept[name] for name in sorted(kept))


def fetch(wanted: Collection[str], architecture: str, python: str) -> Mapping[str, bytes]:
    """Path -> bytes of all that *wanted* are made of. Raises NotFetched."""
    if not wanted:
        return {}
    machine, short = _MACHINES[architecture], python.replace(".", "")
    with TemporaryDirectory() as place:
        folder, lock = Path(place, "libraries"), Path(place, "libraries.txt")
        lock.write_text(locked(wanted, LOCK.read_text("utf-8")), "utf-8")
        # manylinux2014 runs on every runtime: python3.11's system is older than manylinux_2_28
        platforms = [f"--platform={kind}_{machine}" for kind in ("manylinux2014", "manylinux_2_17")]
        abis = [f"--abi={abi}" for abi in (f"cp{short}", "abi3", "none")]
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        command += ["--target", str(folder), "--require-hashes", "--only-binary=:all:", "--no-deps", "--no-compile"]
        command += ["--implementation=cp", f"--python-version={python}", *platforms, *abis, "-r", str(lock)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
        if done.returncode:
            raise NotFetched(done.stderr.strip()[-2000:] or f"pip ended with {done.returncode}")
        files = [one for one in folder.rglob("*") if one.is_file()]
        named = {one.relative_to(folder).as_posix(): one for one in files}
        return {name: file.read_bytes() for name, file in named.items() if not _LEFT_OUT.match(name)}
