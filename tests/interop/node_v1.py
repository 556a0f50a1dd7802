"""An OAuth agent's cookies, as somebody else's implementation of format v1 seals and opens them: Node's."""

from __future__ import annotations

import json
import subprocess

from interop.needs import HERE, command, needs


def node_seals(key: str, *plaintexts: str) -> list[str]:
    """*plaintexts* sealed by Node under *key*, 64 hexadecimal characters."""
    return [str(sealed) for sealed in _node([{"key": key, "seal": plaintext} for plaintext in plaintexts])]


def node_opens(key: str, *sealed: str) -> list[str | None]:
    """What Node finds in *sealed*; None in what it can't open."""
    return _node([{"key": key, "open": text} for text in sealed])


def _node(asked: list[dict[str, str]]) -> list[str | None]:
    needs("Node")
    said = subprocess.run(
        [command("node") or "node", str(HERE / "format_v1.mjs")],
        input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    answers: list[str | None] = json.loads(said.stdout)
    return answers
