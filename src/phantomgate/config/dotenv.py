"""The `.env` file that the Node authorizers bundle: names and values, as dotenv reads them.

Rule: nothing in it is expanded or run, and a variable of the environment wins over it. What dotenv takes for a
variable is one here too, lest a `SCOPE: read` that was heeded there be passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from phantomgate.core.pattern import pattern

# dotenv 16's own (lib/main.js), whose quoted values may have several lines
_LINE = pattern(
    r"""^[^\S\n]*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)
        (\s*'(?:\\'|[^'])*' | \s*"(?:\\"|[^"])*" | \s*`(?:\\`|[^`])*` | [^#\r\n]+)?
        \s*(?:\#.*)?$""",
    re.VERBOSE | re.MULTILINE | re.ASCII,
)
_QUOTED = pattern(r"""(['"`])(.*)\1""", re.DOTALL)


def read_dotenv(text: str) -> Mapping[str, str]:
    """The variables in *text*; a line that is none is passed over, as dotenv does."""
    found: dict[str, str] = {}
    for line in _LINE.finditer(re.sub(r"\r\n?", "\n", text.removeprefix("\ufeff"))):
        value = (line[2] or "").strip()
        quoted = _QUOTED.fullmatch(value)
        bare = value if quoted is None else quoted[2]
        found[line[1]] = bare.replace("\\n", "\n").replace("\\r", "\r") if value[:1] == '"' else bare
    return found
