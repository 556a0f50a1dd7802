"""The modules of ours that a function can come to import, and the file that keeps an old handler's name.

Rule: what goes in follows from the imports, late ones too, so nothing that is needed can be forgotten and nothing else
(commands, the demo, listeners; the agent, where it isn't what the function is) is there to be attacked.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ENTRY = "phantomgate.aws"
_AGENT = "phantomgate.servers.agent_function"
INDEX = b'''"""For a function whose handler is called `index.handler`, as those of the Node authorizers are."""

from phantomgate.aws import handler

__all__ = ["handler"]
'''
INDEX_OF_AGENT = b'''"""For a function whose handler is called `index.handler`."""

from phantomgate.aws import agent as handler

__all__ = ["handler"]
'''


def code(source: Path, *, agent: bool = False) -> Mapping[str, bytes]:
    """Path -> text of each module that `phantomgate.aws` can import; *source* is the folder with our package in it.

    *agent*: for the OAuth agent, which authorizers do without.
    """
    found: dict[str, bytes] = {}
    waiting = [ENTRY]
    seen: set[str] = set() if agent else {_AGENT}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        file = _file(source, name)
        if file is None:  # a name in a module, not a module
            continue
        text = file.read_bytes()
        found[file.relative_to(source).as_posix()] = text
        parents = name.split(".")[:-1]
        waiting += [".".join(parents[:count]) for count in range(1, len(parents) + 1)]
        if (
            file.name != "__init__.py" or name != "phantomgate"
        ):  # the package's own names are late, and not for functions
            waiting += _imported(ast.parse(text))
    return found


def _file(source: Path, name: str) -> Path | None:
    path = source.joinpath(*name.split("."))
    return next((one for one in (path / "__init__.py", path.with_suffix(".py")) if one.is_file()), None)


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("phantomgate"))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("phantomgate"):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
