"""What of a template can't be looked at: other templates, what a macro makes, what is decided when it is deployed.

Rule: whoever reads that nothing is unsafe must be told what nobody has looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from phantomgate.cli.aws_template.apis import Deployed
from phantomgate.cli.aws_template.finding import Finding, Kind

_LOOKED_AT = ("AWS::ApiGateway", "AWS::AppSync::", "AWS::Lambda::", "AWS::Serverless::")
_KNOWN = ("AWS::Serverless-", "AWS::LanguageExtensions", "AWS::CodeDeployBlueGreen", "AWS::SecretsManager-")
"""Macros of AWS's own that change nothing that is looked at, or what is looked at as it is written."""
_MADE = "what this deploys is in another template, or made by a macro, and was not looked at"
_GIVE = "give what it makes to --aws as well"


def unseen(deployed: Deployed) -> Iterator[Finding]:
    """A finding for each of them; to be asked when all else has been looked at."""
    template = deployed.template
    for _, resource, _ in template.resources("AWS::CloudFormation::Stack", "AWS::Serverless::Application"):
        yield Finding(Kind.ADVICE, "not-looked-at", _MADE, resource.path, _GIVE)
    if any(not name.startswith(_KNOWN) for name in _macros(template.root.at("Transform").value)):
        what = "a macro may make something else of this template before it is deployed, and was not run"
        yield Finding(Kind.ADVICE, "not-looked-at", what, "Transform", _GIVE)
    told = tuple(one.path for api in deployed.apis.values() for one in api.elsewhere)
    for path in _made_by_macros(template.root.value):
        if not path.startswith(told):
            yield Finding(Kind.ADVICE, "not-looked-at", _MADE, path, _GIVE)
    for path in template.unseen:
        if not path.startswith(told):
            what = "what is here is only known when it is deployed, and was not looked at"
            change = "write it into the template, or say by --parameter what decides it"
            yield Finding(Kind.ADVICE, "not-looked-at", what, path, change)


def _macros(said: Any) -> list[str]:
    several = said if isinstance(said, list) else [said]
    named = [one.get("Name") if isinstance(one, dict) else one for one in several]
    return [one if isinstance(one, str) else "?" for one in named if one is not None]


def _made_by_macros(raw: dict[str, Any]) -> Iterator[str]:
    """The places where a macro would put something, of what is looked at."""
    resources = raw["Resources"]
    yield from (str(name) for name in raw if _is_macro(name))
    yield from (str(name) for name in resources if _is_macro(name))
    parts = [("Globals", raw.get("Globals"))]
    parts += [(str(name), one) for name, one in resources.items() if _is_looked_at(one)]
    seen: set[int] = set()  # YAML's aliases may lead back, or to the same place again and again
    while parts:
        path, here = parts.pop()
        if id(here) in seen or not isinstance(here, (dict, list)):
            continue
        seen.add(id(here))
        if isinstance(here, dict):
            yield from [f"{path}.{name}" for name in here if _is_macro(name)]
        below = here.items() if isinstance(here, dict) else ((f"[{place}]", one) for place, one in enumerate(here))
        parts += [(f"{path}.{name}", one) for name, one in below if not _is_macro(name)]


def _is_looked_at(resource: Any) -> bool:
    kind = resource.get("Type") if isinstance(resource, dict) else None
    return isinstance(kind, str) and kind.startswith(_LOOKED_AT)


def _is_macro(name: object) -> bool:
    return isinstance(name, str) and (name == "Fn::Transform" or name.startswith("Fn::ForEach::"))
