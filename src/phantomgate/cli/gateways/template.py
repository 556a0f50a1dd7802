"""Templates: configuration that a person can read, filled in.

Rule: `@name@` is a value; a line that begins with `%word ` is there only when that word, and every further one, is
true; a line that is nothing but a value gets each of that value's lines, as far from the margin as itself; and nothing
else is special.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files

from phantomgate.cli.gateways.kind import Facts

_ALONE = re.compile(r"([ \t]*)@([a-z_]+)@").fullmatch
_VALUE = re.compile(r"@([a-z_]+)@")


def rendered(package: str, names: Iterable[str], facts: Facts) -> dict[str, str]:
    """The templates *names* of *package*, filled in, by name."""
    folder = files(package)
    return {name: filled((folder / name).read_text("utf-8"), facts) for name in names}


def filled(template: str, facts: Facts) -> str:
    """*template* with *facts*. Raises KeyError for a word or value that they don't have."""
    words, values = facts.words, facts.values
    lines = []
    for line in template.splitlines():
        wanted, rest = True, line
        while rest.startswith("%"):
            word, _, rest = rest[1:].partition(" ")
            wanted = wanted and words[word]
        if not wanted:
            continue
        if alone := _ALONE(rest):  # and when the value is empty, it is no line
            lines += [f"{alone[1]}{one}" if one else "" for one in values[alone[2]].splitlines()]
        else:
            lines.append(_VALUE.sub(lambda found: values[found[1]], rest))
    return "\n".join(lines) + "\n"
