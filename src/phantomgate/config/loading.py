"""From a TOML file and environment variables to `Settings`, or every problem at once.

    read_sources   touches the world: finds and reads the file, picks our variables; what it gives can be handed to
                   another process, which then loads the very same settings
    load           pure: Sources -> Settings, or SettingsError with all problems

Rule: a variable wins over the file; what we don't know is a problem, never ignored; nothing raised is anything but
SettingsError, and no message repeats what was written in place of a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from phantomgate.config.checks import problems_between
from phantomgate.config.kinds import Kind, found, from_json
from phantomgate.config.settings import LISTS, SECTIONS, Introspection, IssuerRule, RouteRule, Settings
from phantomgate.core.errors import Problem, SettingsError
from phantomgate.core.nouns import dataclass, field, fields

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "PHANTOMGATE__"
CONFIG = "PHANTOMGATE_CONFIG"
USUAL_FILE = "phantomgate.toml"
_MOST_BYTES = 1 << 20
_NEEDED: Mapping[type, Mapping[str, str]] = {
    RouteRule: {"path": 'say which paths, such as path = "/orders/**"'},
    IssuerRule: {
        "name": 'call it something, such as name = "main"',
        "issuer": 'write its iss, such as issuer = "https://as.example"',
    },
    Introspection: {},
}
"""What a table of a list can't do without, and what to write."""


def process_environ() -> Mapping[str, str]:
    """The environment of this process: the one place where it is read, apart from secrets."""
    return os.environ


@dataclass(frozen=True, slots=True)
class Sources:
    """What settings are made from, byte for byte: plain values that pickle, for processes that must load the same."""

    toml_text: str | None = field(repr=False)
    """The file's text, or None without a file."""
    origin: str
    """The file's name, or "environment"."""
    environ: Mapping[str, str] = field(repr=False)
    """Those variables that are ours, or look as if they were meant to be."""


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings from *path*, else $PHANTOMGATE_CONFIG, else ./phantomgate.toml if it is there, and from *environ*.

    Raises SettingsError with every problem.
    """
    return load(read_sources(path, environ))


def read_sources(path: Path | None, environ: Mapping[str, str]) -> Sources:
    """Read the file, once, and pick our variables. Raises SettingsError when the file can't be read."""
    named = str(path or environ.get(CONFIG) or "")
    return read_file(named, "--config" if path else CONFIG, environ)


def read_file(named: str, said_by: str, environ: Mapping[str, str], usual: str = USUAL_FILE) -> Sources:
    """What `read_sources` reads: the file that *said_by* has *named*, or else the *usual* one, if it is there."""
    ours = {name: text for name, text in environ.items() if _is_meant_for_us(name)}
    name = named or usual
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - pathlib costs a cold start 10 ms
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise SettingsError([Problem(said_by, f"is over {_MOST_BYTES} bytes; is it the right file?", name)])
        return Sources(data.decode(), name, ours)
    except UnicodeDecodeError as no:
        text = f"is not UTF-8 (byte {no.start + 1}); save it as UTF-8"
        raise SettingsError([Problem(said_by, text, name)]) from None
    except (OSError, ValueError) as no:
        if not named and isinstance(no, (FileNotFoundError, IsADirectoryError)):
            return Sources(None, "environment", ours)
        why = no.strerror if isinstance(no, OSError) and no.strerror else str(no)
        raise SettingsError([Problem(said_by, f"can't be read: {why}", name)]) from None


def load(sources: Sources) -> Settings:
    """The settings that *sources* hold. Pure; raises SettingsError with every problem, and nothing else."""
    settings, problems = draft(sources)
    if problems:
        raise SettingsError(problems)
    return settings


def draft(sources: Sources) -> tuple[Settings, list[Problem]]:
    """The settings as far as they can be read, with defaults for the rest, and every problem. Pure, never raises.

    Only for looking further, as `phantomgate check` does: settings with problems must not be used.
    """
    loading = _Loading(sources.origin)
    loading.take_file(sources)
    loading.take_variables(sources.environ)
    settings = loading.settings()
    between = [Problem(name, text, settings.origin(name)) for name, text in problems_between(settings, loading.unread)]
    return settings, loading.problems + between


def variable(name: str) -> str:
    """The variable that holds the setting *name*: "cache.max_age" is PHANTOMGATE__CACHE__MAX_AGE."""
    return PREFIX + name.upper().replace(".", "__")


def kinds_of(section: type) -> dict[str, Kind[Any]]:
    """The settings of a section's class, and what kind each is."""
    return {one.name: one.metadata["kind"] for one in fields(section) if one.metadata}


_EMPTIED = "is empty, and would take away what the file says; unset it, or take that out of the file"
"""A variable that is empty is one that somebody has forgotten to fill, far more often than one that means nothing."""


def _is_meant_for_us(name: str) -> bool:
    """Whether a variable is ours, or looks as if it were meant to be.

    Not every PHANTOMGATE_… is a slip: for a Service called "phantomgate", Kubernetes sets PHANTOMGATE_PORT and its kin,
    which have no double underscore.
    """
    upper = name.upper()
    return upper.startswith(PREFIX) or _single(name) in _SINGLE or (upper.startswith(PREFIX[:-1]) and "__" in upper)


def _single(name: str) -> str:
    """A variable's name as somebody writes it who has forgotten that the underscores are double."""
    return name.upper().replace("__", "_")


_KNOWN = {f"{section}.{key}": kind for section, cls in SECTIONS.items() for key, kind in kinds_of(cls).items()}
_VARIABLES = {variable(name): name for name in [*_KNOWN, *LISTS]}
_SINGLE = {_single(name): name for name in _VARIABLES}


class _Loading:
    """What has been read so far: values with their origin, by name, and the problems."""

    def __init__(self, origin: str) -> None:
        self.problems: list[Problem] = []
        self.unread: set[str] = set()
        """Settings that have a problem of their own, so that nothing is concluded from their default."""
        self._skipped: set[str] = set()
        self._given: dict[str, tuple[object, str]] = {}
        self._origins: dict[str, str] = {"": origin}

    def take_file(self, sources: Sources) -> None:
        """Everything in the TOML text."""
        if sources.toml_text is None:
            return
        import tomllib  # only with a file: it costs a cold start 2 ms

        try:
            tables = tomllib.loads(sources.toml_text)
        except (ValueError, RecursionError) as no:
            why = "nested too deep" if isinstance(no, RecursionError) else str(no)
            self.problems.append(Problem("file", f"is not valid TOML: {why}", sources.origin))
            self._skipped.update(SECTIONS)
            return
        for section, table in tables.items():
            if section in LISTS:
                self._given[section] = table, sources.origin
            elif section not in SECTIONS:
                self._unknown(section, [*SECTIONS, *LISTS], sources.origin)
            elif not isinstance(table, dict):
                self.problems.append(
                    Problem(section, f"is {found(table)}; want a table, under [{section}]", sources.origin)
                )
                self._skip(section)
            else:
                self._take_table(section, table, sources.origin)

    def _take_table(self, section: str, table: Mapping[str, object], origin: str) -> None:
        for key, value in table.items():
            name = f"{section}.{key}"
            if name in _KNOWN:
                self._given[name] = value, origin
            else:
                self._unknown(name, _KNOWN, origin)

    def take_variables(self, environ: Mapping[str, str]) -> None:
        """Every variable of ours; it wins over what the file said."""
        for name, text in sorted(environ.items()):
            if name in _VARIABLES:
                setting = _VARIABLES[name]
                if not text.strip() and self._given.get(setting, ("",))[0]:
                    self._problem(setting, _EMPTIED, name)
                    continue
                from_text = _KNOWN[setting].from_text if setting in _KNOWN else from_json
                try:
                    self._given[setting] = from_text(text), name
                except ValueError as no:
                    self._problem(setting, str(no), name)
            elif _single(name) in _SINGLE:
                text = f'is not a variable we know; did you mean "{_SINGLE[_single(name)]}"?'
                self.problems.append(Problem(_plain(name), text, "environment"))
            elif name.upper().startswith(PREFIX):
                self._unknown(name, _VARIABLES, "environment")
            else:
                meant = _meant(PREFIX + name[len(PREFIX) - 1 :], list(_VARIABLES))
                hint = f'did you mean "{meant}"?' if meant else f"those begin with {PREFIX}"
                self.problems.append(Problem(_plain(name), f"is not a variable we know; {hint}", "environment"))
                self._skip(meant)

    def settings(self) -> Settings:
        """The tree; a setting that can't be read is a problem, and has its default meanwhile."""
        values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        lists: dict[str, Any] = {}
        self.unread.update(
            name for name in _KNOWN if name.partition(".")[0] in self._skipped and name not in self._given
        )
        for name, (value, origin) in self._given.items():
            self._origins[name] = origin
            if name in LISTS:
                lists[name] = tuple(self._tables(name, value, origin))
            else:
                section, _, key = name.partition(".")
                self._read(values[section], key, _KNOWN[name], value, (name, origin))
        sections = {section: cls(**values[section]) for section, cls in SECTIONS.items()}
        return Settings(**sections, origins=self._origins, **lists)

    def _tables(self, section: str, tables: object, origin: str) -> Iterator[Any]:
        """The rules of [[routes]] or [[issuers]]."""
        if not isinstance(tables, list):
            text = f"is {found(tables)}; write [[{section}]], with two brackets, once for each"
            self._problem(section, text, origin)
            return
        for place, table in enumerate(tables, 1):
            yield from self._table(f"{section}[{place}]", LISTS[section], table, origin)

    def _table(self, name: str, cls: type, table: object, origin: str) -> Iterator[Any]:
        """One of them, and in it the tables of a section that it has of its own."""
        known, nested = kinds_of(cls), {"introspection": Introspection} if cls is IssuerRule else {}
        self._origins |= {f"{name}.{key}": origin for key in [*known, *nested]}
        if not isinstance(table, dict):
            needed = next(iter(_NEEDED[cls]), "client_id")
            self._problem(name, f"is {found(table)}; want a table, such as {{ {needed} = ... }}", origin)
            return
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key in known:
                self._read(values, key, known[key], value, (f"{name}.{key}", origin))
            elif key in nested:
                values.update((key, one) for one in self._table(f"{name}.{key}", nested[key], value, origin))
            else:
                self._unknown(f"{name}.{key}", [f"{name}.{one}" for one in [*known, *nested]], origin)
        for key, remedy in _NEEDED[cls].items():
            if not table.get(key):
                self._problem(f"{name}.{key}", f"is missing; {remedy}", origin)
        yield cls(**values)

    def _read(self, into: dict[str, Any], key: str, kind: Kind[Any], value: object, at: tuple[str, str]) -> None:
        try:
            into[key] = kind.read(value)
        except ValueError as no:
            self._problem(at[0], str(no), at[1])

    def _problem(self, name: str, text: str, origin: str) -> None:
        self.unread.add(name)
        self.problems.append(Problem(name, text, origin))

    def _unknown(self, name: str, known: Iterable[str], origin: str) -> None:
        meant = _meant(name, list(known))
        there = sorted(_key(one) for one in known if _beside(one, name)) or sorted(map(_key, known))
        hint = f'did you mean "{meant}"?' if meant else f"there are {', '.join(there)}"
        self.problems.append(Problem(_plain(name), f"is not a setting; {hint}", origin))
        self._skip(meant)

    def _skip(self, section: str) -> None:
        """Conclude nothing from what is missing in a *section* that wasn't read or has another name."""
        self._skipped.add(section)


def _meant(name: str, known: list[str]) -> str:
    """Which of *known* somebody who wrote *name* may have meant, or "": a key spelled alike, or in another section."""
    from difflib import get_close_matches  # only on the way to an error

    name = name.upper() if name.upper().startswith(PREFIX) else name.lower()
    beside = {_key(one): one for one in known if _beside(one, name)}
    elsewhere = [one for one in known if _key(one) == _key(name)]
    spelled_alike = get_close_matches(_key(name), beside, 1, 0.8)
    meant = [beside[key] for key in spelled_alike] + elsewhere + get_close_matches(name, known, 1, 0.8)
    return meant[0] if meant else ""


def _beside(one: str, other: str) -> bool:
    """Whether two names are of one section."""
    return one.removesuffix(_key(one)) == other.removesuffix(_key(other))


def _key(name: str) -> str:
    """The last part of a name: "max_age" of "cache.max_age", MAX_AGE of PHANTOMGATE__CACHE__MAX_AGE."""
    return name.rpartition("__" if name.startswith(PREFIX) else ".")[2]


def _plain(name: str) -> str:
    """A name that is safe to print."""
    return name if re.fullmatch(r"[A-Za-z0-9_.\[\]-]{1,100}", name) else found(name)
