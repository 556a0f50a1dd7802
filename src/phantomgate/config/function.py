"""The settings of a Lambda function: its environment, the files bundled with it, and the Node authorizers' variables.

Rule: the environment wins over a bundled `.env`, our own words are never mixed with theirs, and every problem is said
at once, by the name of the variable that whoever deployed it has written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from phantomgate.config.aws_checks import problems_on_aws
from phantomgate.config.drop_in import DropIn, drop_in
from phantomgate.config.loading import CONFIG, PREFIX, USUAL_FILE, Sources, draft, read_file
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, SettingsError
from phantomgate.core.nouns import dataclass, field, replace

TASK_ROOT = "LAMBDA_TASK_ROOT"
_MOST_BYTES = 65536
_SECRETS = ("SECRET", "PASSWORD", "ENCRYPTION_KEY", "PRIVATE_KEY")


@dataclass(frozen=True, slots=True)
class Function:
    """What one function is to do, where its secrets are looked up, and what it should be warned of."""

    settings: Settings
    environ: Mapping[str, str] = field(repr=False)
    warnings: tuple[Problem, ...]


def load_function(environ: Mapping[str, str]) -> Function:
    """The settings in *environ* and beside the code. Raises SettingsError with every problem."""
    function, problems = draft_function(environ)
    if problems:
        raise SettingsError(problems)
    return function


def draft_function(environ: Mapping[str, str], unknown: Collection[str] = ()) -> tuple[Function, list[Problem]]:
    """The settings as far as they can be read, with defaults for the rest, and every problem.

    Nothing is concluded from the variables that *unknown* names: they are there, and what they say isn't known. Only
    for looking further, as `loading.draft`. Raises SettingsError when a file can't be read.
    """
    environ = {**environ, **dict.fromkeys(unknown, UNREADABLE)}
    bundled, merged, sources = bundled_sources(environ)
    theirs = drop_in(merged, lambda: _tables(sources.toml_text))
    own_ca = bundled.get("SSL_CERT_FILE", "")
    if own_ca and "SSL_CERT_FILE" not in environ and theirs.variables:  # OpenSSL reads the environment alone
        if f"{PREFIX}INTROSPECTION__ENDPOINT" in theirs.variables:
            theirs.say("INTROSPECTION__CA_FILE", own_ca, "SSL_CERT_FILE")
        else:
            theirs.warn("SSL_CERT_FILE", "is read in .env for introspection alone; make it a variable of the function")
    settings, problems = draft(replace(sources, environ={**theirs.variables, **sources.environ}))
    problems += emptied(bundled, environ)
    if not any(name.startswith("aws.") for name in settings.origins):  # `draft` has looked, where there are any
        known = about_known([_by_their_names(problem, theirs) for problem in problems], unknown)
        unread = {problem.setting for problem in problems} - {problem.setting for problem in known}
        problems += [Problem(name, text, settings.origin(name)) for name, text in problems_on_aws(settings, unread)]
    function = Function(settings, merged, (*theirs.warnings, *bundled_secrets(bundled, environ)))
    their_problems = about_known(theirs.problems, unknown)
    if their_problems:  # what follows from them helps nobody
        return function, their_problems
    return function, about_known([_by_their_names(problem, theirs) for problem in problems], unknown)


def bundled_sources(environ: Mapping[str, str]) -> tuple[Mapping[str, str], Mapping[str, str], Sources]:
    """What the bundled `.env` says, that under *environ*, and what settings are made from."""
    root = environ.get(TASK_ROOT, "")
    bundled = _dotenv(f"{root}/.env") if root else {}
    merged = {**bundled, **environ}
    usual = f"{root}/{USUAL_FILE}" if root else USUAL_FILE
    return bundled, merged, read_file(merged.get(CONFIG, ""), CONFIG, merged, usual)


UNREADABLE = "\0"
"""What no setting can be, and no environment can hold."""


def about_known(problems: Collection[Problem], unknown: Collection[str]) -> list[Problem]:
    """Those of *problems* that have to do with none of the variables *unknown*."""
    return [one for one in problems if not set(re.findall(r"\w+", f"{one.setting} {one.origin}")).intersection(unknown)]


def _by_their_names(problem: Problem, theirs: DropIn) -> Problem:
    return problem._replace(origin=theirs.names.get(problem.origin, problem.origin))


def bundled_secrets(bundled: Mapping[str, str], environ: Mapping[str, str]) -> list[Problem]:
    """Warnings about secrets that are in the zip."""
    text = 'is in the zip for everybody who can read the function; keep it in Secrets Manager ("aws-sm:NAME#key")'
    return [Problem(name, text, ".env") for name in literal_secrets(bundled) if name not in environ]


def emptied(bundled: Mapping[str, str], environ: Mapping[str, str]) -> list[Problem]:
    """That variables of ours in *environ* say nothing, where the bundled file says something."""
    text = "is empty, and would take away what the bundled .env says; unset it, or take that out of the file"
    ours = [
        name for name in bundled if name.startswith(PREFIX) and bundled[name] and not environ.get(name, "x").strip()
    ]
    return [Problem(name, text, "environment") for name in ours]


def literal_secrets(variables: Mapping[str, str]) -> list[str]:
    """The names of those *variables* that are secrets themselves, and don't say where one is."""
    names = [name for name in variables if name.upper().endswith(_SECRETS)]
    return [name for name in names if variables[name] and not _is_reference(name, variables[name])]


def _is_reference(name: str, value: str) -> bool:
    """Whether a variable of ours says where a secret is; those of the Node authorizers hold it themselves."""
    return name.upper().startswith(PREFIX) and value.startswith(("env:", "file:", "aws-sm:", "aws-ssm:"))


def _tables(toml_text: str | None) -> Mapping[str, Any]:
    """What the file says; what is wrong with it is told by whoever reads all of it."""
    if toml_text is None:
        return {}
    import tomllib  # only with a file

    try:
        return tomllib.loads(toml_text)
    except (ValueError, RecursionError):
        return {}


def _dotenv(path: str) -> Mapping[str, str]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs a cold start 10 ms
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as no:
        raise SettingsError([Problem(".env", f"can't be read: {no.strerror}", path)]) from None
    if len(data) > _MOST_BYTES:
        raise SettingsError([Problem(".env", f"is over {_MOST_BYTES} bytes; is it the right file?", path)])
    from phantomgate.config.dotenv import read_dotenv

    try:
        return read_dotenv(data.decode())
    except UnicodeDecodeError:
        raise SettingsError([Problem(".env", "is not UTF-8; save it as UTF-8", path)]) from None
