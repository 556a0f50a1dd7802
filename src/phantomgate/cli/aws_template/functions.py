"""CloudFormation's functions, done as far as they can be before anything is deployed. Pure.

Rule: whatever the arguments are, there is an answer: a value, or `Later` with what is known of it. Parameters have
their defaults, and conditions what follows from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

_DEEPEST = 24
"""Functions within functions; more are not looked at, since a template of YAML aliases may have no end."""
_LONGEST, _MOST = 65536, 200_000
"""Characters of a text, and functions of a template, that are looked at."""
_HOLE = re.compile(r"\$\{(!?)([^{}]*)\}")
_DYNAMIC = re.compile(r"\{\{resolve:[^{}]*\}\}")
_NO_VALUE = "AWS::NoValue"
_KNOWN_LATER = {"Fn::ImportValue", "Fn::GetAZs", "Fn::Cidr", "Fn::Transform", "Fn::Length", "Fn::ToJsonString"}
_KNOWN_LATER |= {"Fn::Base64"}
_CONDITIONS = {"Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals"}


class Later(NamedTuple):
    """A value that is known when it is deployed: `${Name}` in its text stands for what isn't known before."""

    text: str


class Names:
    """What a template's functions refer to. State: parameters without a default that were asked for, and the work done.

    *unknown* hears of functions that CloudFormation doesn't have; *given* are parameters whose values are known.
    """

    def __init__(self, raw: Mapping[str, Any], unknown: Callable[[str], None], given: Mapping[str, str]) -> None:
        self.parameters = _mapping(raw.get("Parameters"))
        self.mappings = _mapping(raw.get("Mappings"))
        self.conditions = _mapping(raw.get("Conditions"))
        self.unknown = unknown
        self.given = given
        self.without_default: dict[str, None] = {}
        self.done = 0

    def parameter(self, name: str) -> object:
        """What a parameter is given, or its default; Later when it has none, or names what Systems Manager keeps."""
        said = _mapping(self.parameters.get(name))
        kind, default = str(said.get("Type")), self.given.get(name, said.get("Default"))
        if default is None or isinstance(default, (dict, list)) or kind.startswith("AWS::SSM::"):
            self.without_default[name] = None
            return Later(f"${{{name}}}")
        if kind == "CommaDelimitedList" or kind.startswith("List<"):
            return [one.strip() for one in str(default).split(",")]
        return default


def resolve(raw: object, names: Names, depth: int = 0) -> Any:
    """*raw* with its outermost function done, and those in its arguments."""
    value = _done(raw, names, depth)
    if isinstance(value, str) and "{{resolve:" in value:  # CloudFormation fills it in from where it is kept
        return Later(_DYNAMIC.sub("${resolve}", value))
    return value


def _done(raw: object, names: Names, depth: int) -> Any:
    if not isinstance(raw, dict) or len(raw) != 1:
        return raw
    ((name, argument),) = raw.items()
    if name != "Ref" and not (isinstance(name, str) and name.startswith("Fn::")):
        return raw
    names.done += 1
    if depth > _DEEPEST or names.done > _MOST:
        return Later(f"${{{name}}}")
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](argument, names, depth + 1)
    if name in _CONDITIONS:
        return Later(f"${{{name}}}")
    if name not in _KNOWN_LATER and not name.startswith("Fn::ForEach::"):
        names.unknown(f"{name[:60]} is no function of CloudFormation that is known here; what it gives is not either")
    return Later(f"${{{name}}}")


def _ref(argument: object, names: Names, depth: int) -> object:  # noqa: ARG001 - the shape of all of them
    if argument == _NO_VALUE:
        return None
    if isinstance(argument, str) and argument in names.parameters:
        return names.parameter(argument)
    return Later(f"${{{argument if isinstance(argument, str) else 'Ref'}}}")


def _get_att(argument: object, names: Names, depth: int) -> object:
    parts = argument if isinstance(argument, list) else [argument]
    texts = [_text(resolve(part, names, depth)) for part in parts]
    return Later(f"${{{'.'.join(one.text if isinstance(one, Later) else one for one in texts)}}}")


def _sub(argument: object, names: Names, depth: int) -> object:
    text, own = (*argument, {}, {})[:2] if isinstance(argument, list) else (argument, {})
    if not isinstance(text, str):
        return Later("${Fn::Sub}")
    known = True

    def fill(hole: re.Match[str]) -> str:
        nonlocal known
        name = hole[2].strip()
        if hole[1]:
            return f"${{{name}}}"  # ${!X} is a literal ${X}
        if name in _mapping(own):
            value = _text(resolve(_mapping(own)[name], names, depth))
        elif name in names.parameters:
            value = _text(names.parameter(name))
        else:
            value = Later(f"${{{name}}}")
        known = known and isinstance(value, str)
        return value.text if isinstance(value, Later) else value

    filled = _HOLE.sub(fill, text)[:_LONGEST]
    return filled if known else Later(filled)


def _join(argument: object, names: Names, depth: int) -> object:
    if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str):
        return Later("${Fn::Join}")
    parts = resolve(argument[1], names, depth)
    if not isinstance(parts, list):
        return Later("${Fn::Join}")
    texts = [_text(resolve(part, names, depth)) for part in parts]
    joined = argument[0].join(one.text if isinstance(one, Later) else one for one in texts)[:_LONGEST]
    return joined if all(isinstance(one, str) for one in texts) else Later(joined)


def _if(argument: object, names: Names, depth: int) -> object:
    if not isinstance(argument, list) or len(argument) != 3:
        return Later("${Fn::If}")
    holds = _condition({"Condition": argument[0]}, names, depth)
    if holds is not None:
        return resolve(argument[1 if holds else 2], names, depth)
    one, other = (resolve(branch, names, depth) for branch in argument[1:])
    return one if _same(one, other) else Later(f"${{{argument[0]}}}")


def _find_in_map(argument: object, names: Names, depth: int) -> object:
    if not isinstance(argument, list) or len(argument) < 3:
        return Later("${Fn::FindInMap}")
    here: object = names.mappings
    for key in argument[:3]:
        name = _text(resolve(key, names, depth))
        here = _mapping(here).get(name) if isinstance(name, str) else None
    return Later("${Fn::FindInMap}") if here is None else here


def _select(argument: object, names: Names, depth: int) -> object:
    if isinstance(argument, list) and len(argument) == 2:
        place, several = _text(resolve(argument[0], names, depth)), resolve(argument[1], names, depth)
        at = int(place) if isinstance(place, str) and re.fullmatch("[0-9]{1,6}", place) else -1
        if isinstance(several, list) and 0 <= at < len(several):
            return resolve(several[at], names, depth)
    return Later("${Fn::Select}")


def _split(argument: object, names: Names, depth: int) -> object:
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[0], str) and argument[0]:
        text = resolve(argument[1], names, depth)
        if isinstance(text, str):
            return text.split(argument[0])
    return Later("${Fn::Split}")


_FUNCTIONS: Mapping[str, Callable[[object, Names, int], object]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::If": _if,
    "Fn::FindInMap": _find_in_map,
    "Fn::Select": _select,
    "Fn::Split": _split,
}


def holds(condition: str, names: Names) -> bool | None:
    """Whether the *condition* of that name holds; None when that isn't known."""
    return _condition({"Condition": condition}, names, 0)


def _condition(raw: object, names: Names, depth: int) -> bool | None:
    """Whether a condition holds; None when that isn't known."""
    if depth > _DEEPEST or not isinstance(raw, dict) or len(raw) != 1:
        return None
    ((name, argument),) = raw.items()
    depth += 1
    if name == "Condition":
        return _condition(names.conditions.get(argument), names, depth) if isinstance(argument, str) else None
    parts = argument if isinstance(argument, list) else []
    if name == "Fn::Equals" and len(parts) == 2:
        one, other = (_text(resolve(part, names, depth)) for part in parts)
        return None if isinstance(one, Later) or isinstance(other, Later) else one == other
    said = [_condition(part, names, depth) for part in parts]
    if name == "Fn::Not" and len(said) == 1:
        return None if said[0] is None else not said[0]
    if name in ("Fn::And", "Fn::Or") and said:
        deciding = name == "Fn::Or"
        return deciding if deciding in said else None if None in said else not deciding
    return None


def _text(value: object) -> str | Later:
    """*value* within a text, as CloudFormation would write it."""
    if isinstance(value, Later):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value) if isinstance(value, str) or abs(value) < 1e20 else Later("${number}")
    if isinstance(value, Sequence) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    return Later("${value}")


def _same(one: object, other: object) -> bool:
    """Whether two scalars are the same; what is compound isn't compared, since it may have no end."""
    return not isinstance(one, (dict, list)) and type(one) is type(other) and one == other


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
