"""The text of a template: YAML with the short forms of CloudFormation's functions, or JSON.

Rule: the one file that knows PyYAML. Whatever the text is, it is a mapping or a ValueError that says what is wrong with
it; a name that is there twice is wrong, since AWS's tools and ours might pick different ones.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

MOST_BYTES = 1 << 20
"""CloudFormation takes no larger template."""
_LONG_NAMES = {"Ref": "Ref", "Condition": "Condition"}
_WRONG = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What PyYAML raises, beside its own errors, for a tag whose value is none: `!!bool maybe`, `!!int ""`."""


def read_template(text: str) -> dict[str, Any]:
    """The template that *text* is. Raises ValueError, and ModuleNotFoundError for YAML without PyYAML."""
    try:
        found = _from_json(text) if text.lstrip("\ufeff \t\r\n").startswith("{") else _from_yaml(text)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("is no template: want a mapping with Resources in it")
    if not isinstance(found.get("Resources"), dict):
        raise ValueError("has no Resources; is it a SAM or CloudFormation template?")
    return found


def _from_json(text: str) -> object:
    try:
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_once)
    except json.JSONDecodeError as no:
        if no.pos and text[:1] == "{" and "\n" not in text[: no.pos]:
            return _from_yaml(text)  # a flow mapping, such as {Resources: {}}
        raise ValueError(f"is not valid JSON: line {no.lineno}: {no.msg}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f'has "{name[:60]}" twice in one object')
        found[name] = value
    return found


def _from_yaml(text: str) -> object:
    import yaml

    try:
        loader = _loader()(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as no:
        where = f"line {no.problem_mark.line + 1}: " if no.problem_mark else ""
        raise ValueError(f"is not valid YAML: {where}{no.problem or no.context}") from None
    except yaml.YAMLError as no:
        raise ValueError(f"is not valid YAML: {str(no).splitlines()[0]}") from None
    except _WRONG as no:
        raise ValueError(f"is not valid YAML: a value doesn't fit its tag ({type(no).__name__})") from None


def _loader() -> type[yaml.SafeLoader]:
    """PyYAML's safe loader with the short forms; dates stay text, as CloudFormation has them."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # it has no types
        """One of its own, so that nobody else's YAML is read like this."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            """As usual, but for names that are there twice."""
            seen: set[Hashable] = set()
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                if key.tag == "tag:yaml.org,2002:merge":
                    continue
                name = self.construct_object(key, deep=True)
                if isinstance(name, Hashable) and name in seen:
                    raise yaml.constructor.ConstructorError(None, None, f'has "{name}" twice', key.start_mark)
                if isinstance(name, Hashable):
                    seen.add(name)
            found: dict[Hashable, Any] = super().construct_mapping(node, deep)
            return found

    Loader.add_multi_constructor("!", _short_form)
    Loader.yaml_implicit_resolvers = {
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


def _short_form(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    """`!Ref X` is {"Ref": X}, `!GetAtt A.B` {"Fn::GetAtt": ["A", "B"]}, and every other `!X` {"Fn::X": ...}."""
    import yaml

    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {_LONG_NAMES.get(name, f"Fn::{name}"): value}
