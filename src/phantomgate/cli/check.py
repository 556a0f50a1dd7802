"""`phantomgate check`: everything that is wrong, at once, before anything is served.

Rule: it says all it can find out in one run (settings, what they refer to, the authorization server), and each thing
with what to do about it. It never prints a secret.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phantomgate.backends.blocking import finish
from phantomgate.cli.hanging import hanging
from phantomgate.cli.options import add_config, add_json
from phantomgate.config.advice import warnings
from phantomgate.config.agent_wiring import agent_problems, draft_agent, wire_agent
from phantomgate.config.installed import not_installed
from phantomgate.config.loading import CONFIG, draft, read_sources
from phantomgate.config.referred import unmet
from phantomgate.config.remedies import remedy
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Problem, Reason, Refused, SettingsError

EXPLANATION = """\
Reads the settings, says every problem in them at once, and then asks each authorization server about a token that
nobody ever issued (a good one answers that it is not active), for its keys where its JWTs are verified, and, with
[exchange], to exchange such a token (a good one refuses it). With [redis], the store is greeted.
Nothing is changed anywhere.

  phantomgate check --config gateway.toml && systemctl reload phantomgate

With --agent it is about the OAuth agent alone, as an application or a function of AWS Lambda serves it: its settings,
its provider, and the store that it shares.

With --aws it reads SAM or CloudFormation templates instead, and contacts nobody: do the caching, identity sources,
payload format, routes, mappings, gateway responses and permissions fit the settings of the function in them? Those are
the function's variables in the template, and the settings file that goes into its zip. What a parameter without a
default decides can't be known from here, and is said. Each finding is one of
  unsafe  somebody may get in, or learn something, who must not
  broken  it would not work as deployed
  advice  it works, and could be better

  phantomgate check --aws template.yaml --parameter CacheTtl=60 && sam deploy

exit codes:
  0  everything is good (there may be warnings, or advice)
  1  an authorization server can't be reached, refuses our client, or gives no usable answer or key; or the shared
     store can't be used; or a template has something unsafe or broken
  2  the settings have problems, or a template can't be read
"""


def add(parser: argparse.ArgumentParser) -> None:
    """`--config`, `--aws`, `--parameter` and `--json`."""
    parser.epilog = EXPLANATION
    add_config(parser)
    parser.add_argument(
        "--aws",
        metavar="TEMPLATE",
        type=Path,
        nargs="+",
        help="look at these SAM or CloudFormation templates, in YAML or JSON, and ask no server",
    )
    parser.add_argument(
        "--parameter",
        metavar="NAME=VALUE",
        type=_parameter,
        action="append",
        default=[],
        help="what a parameter of the templates will be (default: its Default); again for more",
    )
    parser.add_argument("--agent", action="store_true", help="the OAuth agent alone, without a gateway beside it")
    add_json(parser)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Check, print what was found, and give the exit code."""
    if options.aws:
        return _run_on_templates(options, environ)
    if options.parameter:
        text = "is for templates, and there are none; name them with --aws"
        raise SettingsError([Problem("--parameter", text, "command line")])
    found = look_at_agent(options.config, environ) if options.agent else look(options.config, environ)
    if options.json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        found.print()
    return found.exit_code


def _parameter(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError(f'"{text}" is no parameter; write NAME=VALUE, such as CacheTtl=0')
    return name, value


def _run_on_templates(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from phantomgate.cli.aws_template import looking, report

    sources = read_sources(options.config, {CONFIG: environ.get(CONFIG, "")})
    looked = looking.look(options.aws, "" if sources.toml_text is None else sources.origin, dict(options.parameter))
    if options.json:
        print(json.dumps(report.as_json(looked), indent=2))
    else:
        report.print_report(looked)
    return report.exit_code(looked)


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found; `servers` is empty when none was asked: the settings have problems, or name none."""

    origin: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    servers: tuple[Server, ...] = ()
    store: Server | None = None
    """What [redis] names, if anything."""
    window: str = ""
    """For how long a revoked token may still be let in."""

    @property
    def exit_code(self) -> int:
        """0 good, 1 the authorization server, 2 settings."""
        if self.problems:
            return 2
        return 1 if any(server.trouble for server in (*self.servers, *self._stores)) else 0

    @property
    def _stores(self) -> tuple[Server, ...]:
        return () if self.store is None else (self.store,)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "good": self.exit_code == 0,
            "settings": {"origin": self.origin, "problems": [p._asdict() for p in self.problems]},
            "warnings": [warning._asdict() for warning in self.warnings],
            "authorization_server": self.servers[0].as_json() if len(self.servers) == 1 else None,
            "authorization_servers": [server.as_json() for server in self.servers],
            "revoked_tokens": self.window,
            "shared_store": None if self.store is None else self.store.as_json(),
        }

    def print(self) -> None:
        """For people: what is good to stdout, what is not to stderr."""
        if self.problems:
            print(SettingsError(self.problems), file=sys.stderr)
        else:
            print(f"settings: good ({self.origin})")
        if self.window:
            print(f"revoked tokens: {self.window}")
        for setting, text, origin in self.warnings:
            print(f"warning: {setting} {text} ({origin})", file=sys.stderr)
        if self.problems:
            print("The authorization server was not asked; mend the settings first.", file=sys.stderr)
        elif not self.servers:
            print("authorization server: none, sealed tokens go upstream as they are")
        for server in (*self.servers, *self._stores):
            server.print()


@dataclass(frozen=True, slots=True)
class Server:
    """What the authorization server made of our question: nothing wrong, or its *trouble*."""

    issuer: str
    """Which of `[[issuers]]`, or "exchange"; empty for the server of `[introspection]` alone."""
    endpoint: str
    seconds: float
    trouble: Refused | None
    kind: str = "authorization server"

    def print(self) -> None:
        """For people: what is good to stdout, what is not to stderr."""
        who = f"issuer {self.issuer}" if self.issuer else self.kind
        if self.trouble is None:
            print(f"{who}: good, {self.endpoint} answered in {self.seconds * 1000:.0f} ms")
        else:
            print(f"{who}: {self.endpoint}: {self.trouble.detail}", file=sys.stderr)
            print(*hanging("  ", remedy(self.trouble.reason, self.trouble.detail)), sep="\n", file=sys.stderr)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        said: dict[str, Any] = {
            "endpoint": self.endpoint,
            "good": self.trouble is None,
            "ms": round(self.seconds * 1000),
        }
        if self.issuer:
            said["issuer"] = self.issuer
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
    problems += unmet(settings, environ) + not_installed(settings)
    if problems:
        return Findings(sources.origin, tuple(problems))
    return Findings(sources.origin, (), tuple(warnings(settings)), *ask(settings, environ), window(settings))


def look_at_agent(config: Path | None, environ: Mapping[str, str]) -> Findings:
    """As `look`, of the OAuth agent as it is served without a gateway: mounted in an app, or on Lambda."""
    try:
        sources = read_sources(config, environ)
    except SettingsError as no:
        return Findings(no.problems[0].origin, no.problems)
    settings, problems = draft_agent(sources)
    problems += [one for one in agent_problems(settings, environ) if one not in problems]
    if problems:
        return Findings(sources.origin, tuple(problems))
    told = [one for one in warnings(settings) if one.setting.startswith(("agent.", "session.", "redis."))]
    return Findings(sources.origin, (), tuple(told), (ask_agent(settings, environ),))


def ask(settings: Settings, environ: Mapping[str, str]) -> tuple[tuple[Server, ...], Server | None]:
    """What each authorization server makes of a token that nobody issued, and which keys it has; then the store."""
    wired = wire(settings, "blocking", environ=environ, write=lambda line: None)  # noqa: ARG005 - what is wrong is said below
    found: list[Server] = []
    for probe in wired.probes:
        began = wired.ticks()
        trouble = finish(probe.ask())
        name = probe.name if settings.issuers or settings.exchanges else ""
        found.append(Server(name, probe.where, wired.ticks() - began, trouble))
    store = None
    if wired.sharing is not None:
        began = wired.ticks()
        said = finish(wired.sharing.trouble())
        no = Refused(Reason.UNAVAILABLE, f"the shared store: {said}") if said else None
        store = Server("", wired.sharing.where, wired.ticks() - began, no, "shared store")
    finish(wired.close())
    if settings.has_agent:
        found.append(ask_agent(settings, environ))
    return tuple(found), store


def ask_agent(settings: Settings, environ: Mapping[str, str]) -> Server:
    """What the agent's provider says of itself, and whether what the agent remembers by can be used."""
    agent = wire_agent(settings, "blocking", environ=environ, write=lambda line: None)  # noqa: ARG005 - as above
    began = time.monotonic()
    trouble = finish(agent.probe.ask())
    finish(agent.close())
    return Server(agent.probe.name, agent.probe.where, time.monotonic() - began, trouble)


def window(settings: Settings) -> str:
    """For how long a revoked token may still be let in: here, and where a gateway remembers what we said."""
    here = settings.cache.max_age
    told = ", or until we are told at [revocation]" if settings.revokes else ""
    said = f"let in for at most {here:g} s{told}"
    if settings.serve.upstream or not settings.cache.downstream:
        return said
    if settings.revokes:  # what a gateway remembers ends when ours would have (`Token.lifetime`)
        return f"{said}; a gateway that remembers decisions isn't told: there for at most {here:g} s"
    return f"{said}; a gateway that remembers decisions as long as we say adds nothing"
