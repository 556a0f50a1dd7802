"""What a template's function is told: its variables in the template, and the settings file that goes into its zip.

Rule: read by the code that reads them when the function starts. A variable whose value is only known when it is
deployed is there, and nothing is concluded from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from phantomgate.cli.aws_template.apis import Deployed, Function
from phantomgate.cli.aws_template.functions import Later
from phantomgate.config.agent_function import draft_agent_function
from phantomgate.config.drop_in import drop_in
from phantomgate.config.function import draft_function
from phantomgate.config.loading import CONFIG, PREFIX, variable
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem

HANDLERS = ("phantomgate.aws.handler", "index.handler")
_TTL = variable("aws.cache_ttl")
_ALL = "*"
"""In the place of names, where the variables themselves are only known when it is deployed."""


@dataclass(frozen=True, slots=True)
class Told:
    """The settings of one function; of *function* None, what the file alone says."""

    settings: Settings
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    unknown: Mapping[str, Later]
    """The variables that are only known when it is deployed."""
    function: Function | None = None

    def knows(self, *names: str) -> bool:
        """Whether these settings are known; a section's name stands for all in it."""
        return _ALL not in self.unknown and not any(
            one == variable(name) or one.startswith(f"{variable(name)}__") for one in self.unknown for name in names
        )

    @property
    def ttl(self) -> float | Later | None:
        """`aws.cache_ttl`: seconds, or what is known of it; None when the function isn't told."""
        return self.unknown.get(_TTL) or self.unknown.get(_ALL) or self.settings.aws.cache_ttl

    @property
    def agent(self) -> bool:
        """Whether the function is an OAuth agent."""
        return self.function is not None and _is_agent(self.function)

    def place(self, name: str, origin: str = "") -> str:
        """Where the function is told the setting *name*, which was read at *origin*, or where it would be told."""
        if self.function is None:
            return f"the settings: {name}"
        here = self.function.properties.at("Environment", "Variables")
        said = next((one for one in (origin, name) if one and here.at(one)), variable(name))
        return here.at(said).path


AGENT = "phantomgate.aws.agent"
"""The OAuth agent's handler: its function is no authorizer, and needs none before it."""


def agents(deployed: Deployed) -> list[Function]:
    """The functions that are OAuth agents."""
    return list({one.name: one for one in deployed.functions.values() if _is_agent(one)}.values())


def _handler(function: Function) -> str | Later | None:
    """What Lambda calls; in an image, its command is that."""
    command = function.properties.at("ImageConfig", "Command").each()
    return command[0].text() if command else function.properties.at("Handler").text()


def _is_agent(function: Function) -> bool:
    return _handler(function) == AGENT


def ours(deployed: Deployed) -> list[Function]:
    """The functions that are phantomgate's, by their handlers."""
    found = {one.name: one for one in deployed.functions.values() if _is_ours(one)}
    return list(found.values())


def _is_ours(function: Function) -> bool:
    handler = _handler(function)
    if handler != HANDLERS[1] and not isinstance(handler, Later):
        return handler == HANDLERS[0]
    known, unknown = variables(function)
    names = {**known, **dict.fromkeys(unknown, "x")}
    return any(name.startswith(PREFIX) for name in names) or bool(drop_in(names, dict).names)


def variables(function: Function) -> tuple[dict[str, str], dict[str, Later]]:
    """The variables of *function*: those that are known, and those that are known when it is deployed."""
    known: dict[str, str] = {}
    later: dict[str, Later] = {}
    all_of_them = function.properties.at("Environment", "Variables")
    if isinstance(all_of_them.value, Later):
        return known, {_ALL: all_of_them.value}
    for name, node in all_of_them.items():
        text = node.text()
        if isinstance(text, Later):
            later[name] = text
        elif text is not None:
            known[name] = text
    return known, later


def told(function: Function | None, config: str) -> Told:
    """What *function* is told, with the settings file *config*, or the usual one. Raises SettingsError for a file."""
    known, later = ({}, {}) if function is None else variables(function)
    named = {CONFIG: config} if config else {}
    unknown = [name for name in later if name != CONFIG]
    known.pop(CONFIG, None)  # a path within the zip
    draft = draft_agent_function if function is not None and _is_agent(function) else draft_function
    read, problems = draft({**known, **named}, unknown)
    words = set(unknown)
    warnings = [
        one for one in read.warnings if not words.intersection(re.findall(r"\w+", f"{one.setting} {one.origin}"))
    ]
    if _ALL in later:
        return Told(read.settings, (), (), later, function)
    return Told(read.settings, tuple(problems), tuple(warnings), later, function)
