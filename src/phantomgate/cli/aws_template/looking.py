"""All checks of all templates: which function an authorizer asks, what that one is told, and what is found.

Rule: an authorizer whose function can't be known from here is judged as if it were ours, and one that asks another
function is none of our business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from phantomgate.cli.aws_template.answering import answering, running
from phantomgate.cli.aws_template.apis import Api, Authorizer, Deployed, Function, Guard
from phantomgate.cli.aws_template.appsync import besides, between, read_appsync
from phantomgate.cli.aws_template.finding import Finding, Kind
from phantomgate.cli.aws_template.passing import passing, unguarded
from phantomgate.cli.aws_template.plain import read_plain
from phantomgate.cli.aws_template.reading import MOST_BYTES, read_template
from phantomgate.cli.aws_template.refusals import refusals
from phantomgate.cli.aws_template.remembering import remembering
from phantomgate.cli.aws_template.sam import read_sam
from phantomgate.cli.aws_template.template import Template
from phantomgate.cli.aws_template.told import Told, agents, ours, told
from phantomgate.cli.aws_template.unseen import unseen
from phantomgate.config.advice import warnings
from phantomgate.core.errors import Problem, SettingsError

_ELSEWHERE = ("serve.", "split_tokens.", "agent.", "redis.")
"""Settings that an authorizer on Lambda has no use for, so nobody needs advice about them."""
_OF_AGENT = ("agent.", "session.", "redis.", "log.")
"""Those that an OAuth agent there has a use for."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in some templates."""

    templates: tuple[str, ...]
    parts: tuple[str, ...]
    """What was looked at, for people."""
    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    unknown: tuple[str, ...]
    """What is only known when it is deployed: parameters without a default."""
    settings: str
    """Where the settings are from."""


def look(files: Sequence[Path], config: str, given: Mapping[str, str]) -> Looked:
    """Everything that can be found out about *files*, deployed with the parameters *given*.

    Raises SettingsError when one can't be read, or none has such a parameter.
    """
    templates = [_read(file, given) for file in files]
    for name in given:
        if not any(name in one.names.parameters for one in templates):
            text = f"is a parameter of no template; there are {', '.join(_parameters(templates)) or 'none'}"
            raise SettingsError([Problem(f"--parameter {name}", text, "command line")])
    return look_at(templates, config)


def _parameters(templates: Sequence[Template]) -> list[str]:
    return sorted({str(name) for one in templates for name in one.names.parameters})


def look_at(templates: Sequence[Template], config: str) -> Looked:
    """Everything that can be found out about *templates* and the settings file *config*, or the usual one."""
    deployed = [(one := _deployed(template), ours(one)) for template in templates]
    functions = [function for _, several in deployed for function in several]
    looking = _Looking(config, functions[0] if len(functions) == 1 else None)
    findings = [
        found._replace(template=one.template.name) for one, several in deployed for found in looking.at(one, several)
    ]
    known = looking.known.values()
    findings += _settings_warnings(known)
    also = [agent for one, _ in deployed for agent in agents(one)]
    if not also or functions:
        findings += _missing(templates[0].name, functions, looking)
    return Looked(
        tuple(one.name for one in templates),
        (
            *looking.parts,
            *(f"function {one.name}" for one in functions),
            *(f"OAuth agent {one.name}, no authorizer" for one in also),
        ),
        tuple(sorted(dict.fromkeys(findings), key=lambda one: list(Kind).index(one.kind))),
        tuple(dict.fromkeys(problem for each in known for problem in each.problems)),
        tuple(sorted({name for one in templates for name in one.names.without_default})),
        ", ".join([f"variables of {one.name}" for one in (*functions, *also)] + ([config] if config else []))
        if known
        else "",
    )


class _Looking:
    """Looks at one template after another. State: what each function is told, which were asked, what was looked at.

    *only* is the one function of ours, if there is one alone.
    """

    def __init__(self, config: str, only: Function | None) -> None:
        self._config, self._only = config, only
        self.known: dict[str, Told] = {}
        self.asked: set[str] = set()
        self.parts: list[str] = []

    def at(self, one: Deployed, functions: Sequence[Function]) -> Iterator[Finding]:
        """What is wrong with *one* template, whose *functions* are ours."""
        for function in (*functions, *agents(one)):
            yield from running(one, function, self._told(function))
        guarded: dict[str, bool] = {}
        for api in one.apis.values():
            judged: dict[str, Told] = {}
            for authorizer in _asking_us(one, api, functions):
                asking = judged[authorizer.name] = self._asking(one, authorizer.function)
                yield from remembering(api, authorizer, asking)
                yield from answering(one, api, authorizer, asking)
            guarded[api.name] = bool(judged)
            if judged:
                self.parts.append(_title(api, judged))
                yield from passing(api, judged)
                yield from refusals(api, next(iter(judged.values())))
        for api in one.apis.values() if functions else ():
            if not guarded[api.name]:
                yield from unguarded(api, meant=not any(guarded.values()))
        yield from self._of_appsync(one, functions)
        yield from _odd(one.template)
        yield from unseen(one)

    def _of_appsync(self, one: Deployed, functions: Sequence[Function]) -> Iterator[Finding]:
        for api in read_appsync(one):
            ways = [way for way in api.ways if _is_ours(one, way.function, functions)]
            for way in ways:
                yield from between(one, api, way, self._asking(one, way.function))
            if ways:
                self.parts.append(api.title)
                yield from besides(api)

    def _asking(self, one: Deployed, name: str) -> Told:
        """What the function of that *name* is told, or the only one that it can be."""
        function = one.functions.get(name, self._only)
        self.asked.add("" if function is None else function.name)
        return self._told(function)

    def _told(self, function: Function | None) -> Told:
        name = "" if function is None else f"{function.at.path}\0{id(function.at)}"
        if name not in self.known:
            self.known[name] = told(function, self._config)
        return self.known[name]


def _read(file: Path, given: Mapping[str, str]) -> Template:
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except (OSError, ValueError) as no:
        why = no.strerror if isinstance(no, OSError) and no.strerror else "not a file's name"
        raise _problem(f"can't be read: {why}", file) from None
    if len(data) > MOST_BYTES:
        raise _problem(f"is over {MOST_BYTES} bytes, and CloudFormation takes no larger template", file)
    try:
        return Template(str(file), read_template(data.decode()), given)
    except UnicodeDecodeError:
        raise _problem("is not UTF-8; save it as UTF-8", file) from None
    except ValueError as no:
        raise _problem(str(no), file) from None


def _deployed(template: Template) -> Deployed:
    deployed = Deployed(template)
    read_sam(deployed)
    read_plain(deployed)
    guarded = {one.name for one in agents(deployed)}
    for api in deployed.apis.values() if guarded else ():  # the agent guards its routes itself
        api.routes = [replace(one, authorizer=Guard.OTHER) if one.leads_to in guarded else one for one in api.routes]
    return deployed


def _problem(text: str, file: Path) -> SettingsError:
    return SettingsError([Problem("--aws", text, str(file))])


def _asking_us(deployed: Deployed, api: Api, functions: Sequence[Function]) -> Iterator[Authorizer]:
    """The authorizers of *api*, but for those that ask a function of this template that isn't ours."""
    return (one for one in api.authorizers.values() if _is_ours(deployed, one.function, functions))


def _is_ours(deployed: Deployed, name: str, functions: Sequence[Function]) -> bool:
    """Whether what is asked by that *name* is one of *functions*, or is none of this template."""
    function = deployed.functions.get(name)
    return function is None or function.name in {one.name for one in functions}


def _title(api: Api, judged: dict[str, Told]) -> str:
    count = len(api.routes)
    routes = f"{count} route{'' if count == 1 else 's'}"
    return f"{api.kind.value} {api.name} ({routes}, authorizer {' and '.join(judged)})"


def _odd(template: Template) -> Iterator[Finding]:
    for place, text in template.odd:
        change = "write what AWS has it as" if place else "check its spelling"
        kind = Kind.BROKEN if place else Kind.ADVICE
        yield Finding(kind, "shape", text, place or "Resources", change)


def _settings_warnings(several: Iterable[Told]) -> Iterator[Finding]:
    for one in several:
        if one.problems:
            continue
        for setting, text, origin in (*one.warnings, *warnings(one.settings)):
            section = setting.partition(".")[0].partition("[")[0]
            elsewhere = not setting.startswith(_OF_AGENT) if one.agent else setting.startswith(_ELSEWHERE)
            if not elsewhere and one.knows(setting, section):
                what, _, change = text.partition("; ")
                place = one.place(setting, origin)
                yield Finding(Kind.ADVICE, "settings", f"{setting} {what}", place, change or "as you mean it")


def _missing(template: str, functions: Sequence[Function], looking: _Looking) -> Iterator[Finding]:
    if not functions and not looking.parts:
        what = "no function here is phantomgate's, and no authorizer's function is somewhere else"
        change = "the function's Handler is phantomgate.aws.handler"
        yield Finding(Kind.BROKEN, "function-missing", what, "Resources", change, template)
    for function in functions:
        if not looking.asked and not function.urls:
            what = "no authorizer of these templates asks this function"
            change = "name it as the authorizer of an API, or give the template of the API to --aws too"
            yield Finding(Kind.ADVICE, "function-unused", what, function.name, change, template)
