"""HTTP/2 with prior knowledge, as curl speaks it: enough to see that a gateway judges there too."""

from __future__ import annotations

import subprocess


def over_2(authority: str, *fields: tuple[str, str], path: str = "/orders") -> int:
    """The status of a GET over HTTP/2 in the clear. Raises AssertionError when the answer is of another version."""
    given = [word for name, value in fields for word in ("-H", f"{name}: {value}")]
    command = ["curl", "--silent", "--http2-prior-knowledge", "--path-as-is", "--max-time", "20"]
    command += ["--output", "/dev/null", "--write-out", "%{http_version} %{http_code}", *given]
    done = subprocess.run([*command, f"http://{authority}{path}"], capture_output=True, text=True, check=False)
    version, _, status = done.stdout.partition(" ")
    assert (done.returncode, version) == (0, "2"), done
    return int(status)
