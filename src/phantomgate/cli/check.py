"""`phantomgate check`: everything that is wrong, at once, before anything is served.

Rule: it says all it can find out in one run (settings, what they refer to, the authorization server), and each thing
with what to do about it. It never prints a secret.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phantomgate.backends.blocking import finish
from phantomgate.cli.options import add_config, add_json
from phantomgate.cli.remedies import remedy
from phantomgate.config.advice import warnings
from phantomgate.config.loading import draft, read_sources
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import unmet, wire
from phantomgate.core.errors import Problem, Refused, SettingsError

EXPLANATION = """\
Reads the settings, says every problem in them at once, and then asks the authorization server about a token that
nobody ever issued: a good one answers that it is not active. Nothing is changed anywhere.

  phantomgate check --config gateway.toml && systemctl restart phantomgate

exit codes:
  0  everything is good (there may be warnings)
  1  the authorization server can't be reached, refuses our client, or gives no usable answer
  2  the settings have problems
"""


def add(parser: argparse.ArgumentParser) -> None:
    """`--config` and `--json`."""
    parser.epilog = EXPLANATION
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Check, print what was found, and give the exit code."""
    found = look(options.config, environ)
    if options.json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        found.print()
    return found.exit_code


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found; `server` is None when it wasn't asked, because the settings have problems."""

    origin: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    server: Server | None = None

    @property
    def exit_code(self) -> int:
        """0 good, 1 the authorization server, 2 settings."""
        if self.problems or self.server is None:
            return 2
        return 0 if self.server.trouble is None else 1

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "good": self.exit_code == 0,
            "settings": {"origin": self.origin, "problems": [p._asdict() for p in self.problems]},
            "warnings": [warning._asdict() for warning in self.warnings],
            "authorization_server": None if self.server is None else self.server.as_json(),
        }

    def print(self) -> None:
        """For people: what is good to stdout, what is not to stderr."""
        if self.problems:
            print(SettingsError(self.problems), file=sys.stderr)
        else:
            print(f"settings: good ({self.origin})")
        for setting, text, origin in self.warnings:
            print(f"warning: {setting} {text} ({origin})", file=sys.stderr)
        if self.server is None:
            print("The authorization server was not asked; mend the settings first.", file=sys.stderr)
        elif self.server.trouble is None:
            print(f"authorization server: good, {self.server.endpoint} answered in {self.server.seconds * 1000:.0f} ms")
        else:
            trouble = self.server.trouble
            print(f"authorization server: {self.server.endpoint}: {trouble.detail}", file=sys.stderr)
            print(f"  {remedy(trouble.reason, trouble.detail)}", file=sys.stderr)


@dataclass(frozen=True, slots=True)
class Server:
    """What the authorization server made of our question: nothing wrong, or its *trouble*."""

    endpoint: str
    seconds: float
    trouble: Refused | None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        said: dict[str, Any] = {
            "endpoint": self.endpoint,
            "good": self.trouble is None,
            "ms": round(self.seconds * 1000),
        }
        if self.trouble is not None:
            reason, detail = self.trouble.reason, self.trouble.detail
            said |= {"reason": reason.label, "detail": detail, "remedy": remedy(reason, detail)}
        return said


def look(config: Path | None, environ: Mapping[str, str]) -> Findings:
    """Everything that can be found out about these settings; never raises for what is wrong with them."""
    try:
        sources = read_sources(config, environ)
    except SettingsError as no:
        return Findings(no.problems[0].origin, no.problems)
    settings, problems = draft(sources)
    problems += unmet(settings, environ)
    if problems:
        return Findings(sources.origin, tuple(problems))
    return Findings(sources.origin, (), tuple(warnings(settings)), ask(settings, environ))


def ask(settings: Settings, environ: Mapping[str, str]) -> Server:
    """What the authorization server makes of a token that nobody issued."""
    wired = wire(settings, "blocking", environ=environ)
    began = wired.ticks()
    trouble = finish(wired.probe())
    seconds = wired.ticks() - began
    finish(wired.close())
    return Server(settings.introspection.endpoint.partition("?")[0], seconds, trouble)
