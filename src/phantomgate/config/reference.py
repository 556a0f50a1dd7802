"""The reference of the settings, made from their docstrings: docs/reference/settings.md and settings.schema.json.

    python -m phantomgate.config.reference docs/reference       writes both

Rule: nothing is said of a setting anywhere but at the setting. A test fails when the written files are not these.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from phantomgate.config.loading import variable
from phantomgate.config.settings import LISTS, SECTIONS, Introspection, IssuerRule
from phantomgate.core.nouns import fields

_REQUIRED = "Required."
_AFTER = {"introspection": "issuers", "policy": "routes"}
_NESTED = """
### `[issuers.introspection]`

How it is asked, with `introspect` and `both`: the settings of `[introspection]`, for this issuer alone, except that
`issuer` is the issuer's own. Without an `endpoint`, it is found in the issuer's metadata.
"""
_HEAD = """\
# Settings

<!-- Made from the docstrings in src/phantomgate/config/settings*.py by `python -m phantomgate.config.reference
docs/reference`; change them there. -->

Settings are read from a TOML file: the one that `--config` names, else `$PHANTOMGATE_CONFIG`, else `./phantomgate.toml`
if it is there. Every setting is also a variable, `PHANTOMGATE__SECTION__KEY`, which wins over the file; lists are
written there with commas between or as JSON, tables, `[[issuers]]` (`PHANTOMGATE__ISSUERS`) and `[[routes]]`
(`PHANTOMGATE__ROUTES`) as JSON. An empty one takes nothing away from the file: it is an error, and `[]` says that a
list is to be empty. What is not listed here is an error, never ignored. `phantomgate check` says everything that is
wrong at once.

Durations have a unit: `"500ms"`, `"2s"`, `"5m"`, `"1h"`. Sizes are bytes, or have one: `"64KiB"`, `"512MiB"`. A secret
is never written in a setting, only where it is kept: `"env:NAME"`, `"file:/run/secrets/NAME"`, `"aws-sm:NAME#key"`
(AWS Secrets Manager; without `#key`, the whole secret) or `"aws-ssm:NAME"` (Parameter Store). Editors that know
JSON Schema can check a file against [settings.schema.json](settings.schema.json).

```toml
[introspection]
endpoint      = "https://as.example/oauth/v2/oauth-introspect"
client_id     = "api-gateway"
client_secret = "env:GATEWAY_SECRET"

[policy]
scopes = ["read"]

[[routes]]
path    = "/orders/**"
methods = ["POST", "PUT"]
scopes  = ["orders:write"]

[[routes]]
path = "/**"

[forward]
claims = { "X-User" = "sub" }
```
"""


def as_markdown() -> str:
    """docs/reference/settings.md."""
    return _HEAD + "".join(_section(heading, cls, name) for heading, cls, name in _sections())


def as_schema() -> str:
    """docs/reference/settings.schema.json, a JSON Schema of the TOML file."""
    tables: dict[str, Any] = {name: _table(cls) for name, cls in SECTIONS.items()}
    for name, cls in LISTS.items():
        tables[name] = {"type": "array", "description": _text(cls), "items": _table(cls)}
    tables["issuers"]["items"]["properties"]["introspection"] = _table(Introspection)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "phantomgate settings",
        "type": "object",
        "additionalProperties": False,
        "properties": tables,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    """Both, into *folder*."""
    (folder / "settings.md").write_text(as_markdown(), encoding="utf-8")
    (folder / "settings.schema.json").write_text(as_schema(), encoding="utf-8")


def _sections() -> Iterator[tuple[str, type, str]]:
    for name, cls in SECTIONS.items():
        yield f"[{name}]", cls, name
        if name in _AFTER:  # where a reader looks for them
            yield f"[[{_AFTER[name]}]]", LISTS[_AFTER[name]], ""


def _section(heading: str, cls: type, name: str) -> str:
    text = f"\n## `{heading}`\n\n{_text(cls)}\n"
    said = _docstrings(cls)
    for one in (one for one in fields(cls) if one.metadata):
        kind, default = one.metadata["kind"], one.metadata["default"]
        facts = [kind.name[0].upper() + kind.name[1:]]
        if not said[one.name].endswith(_REQUIRED):
            facts.append(f"default `{json.dumps(default)}`")
        if name:
            facts.append(f"`{variable(f'{name}.{one.name}')}`")
        text += f"\n### `{one.name}`\n\n{said[one.name]}\n\n{'; '.join(facts)}\n"
    return text + _NESTED if cls is IssuerRule else text


def _table(cls: type) -> dict[str, Any]:
    said = _docstrings(cls)
    table: dict[str, Any] = {"type": "object", "description": _text(cls), "additionalProperties": False}
    required = [name for name, text in said.items() if text.endswith(_REQUIRED)]
    table["properties"] = {
        one.name: {**one.metadata["kind"].schema, "description": said[one.name].replace("`", "")}
        | ({} if one.name in required else {"default": one.metadata["default"]})
        for one in fields(cls)
        if one.metadata
    }
    if cls in LISTS.values():  # what a section requires may come from variables
        table["required"] = required
    return table


def _text(cls: type) -> str:
    return " ".join(inspect.cleandoc(cls.__doc__ or "").split())


def _docstrings(cls: type) -> dict[str, str]:
    """Each field's docstring, which Python itself forgets: the text that stands below it in the source."""
    said: dict[str, str] = {}
    for one in reversed(cls.__mro__[:-1]):  # what a class says anew of an inherited field counts
        said |= _own_docstrings(one)
    return said


def _own_docstrings(cls: type) -> dict[str, str]:
    module = ast.parse(inspect.getsource(sys.modules[cls.__module__]))
    body = next(node for node in module.body if isinstance(node, ast.ClassDef) and node.name == cls.__name__).body
    said: dict[str, str] = {}
    for line, below in pairwise(body):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
            said[line.target.id] = " ".join(str(text).split())
    return said


if __name__ == "__main__":
    write(Path(sys.argv[1]))
