"""How each server is asked: of [introspection], [exchange] and [agent], and each of [[issuers]] that introspects.

Rule: what is secret is read here, once, by its place in the settings, and every problem is said with that place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from phantomgate.config.authentication import authentication, certificate
from phantomgate.config.settings import AsClient, Introspection, IssuerRule, Settings
from phantomgate.core.errors import Problem
from phantomgate.core.nouns import replace
from phantomgate.core.ports import Clock
from phantomgate.core.typed import NamedTuple
from phantomgate.oauth.client_auth import ClientAuth
from phantomgate.resolvers.client import Authenticate

Decrypt = Callable[[str], str]


class Client(NamedTuple):
    """What we are to one server: how we show who we are, and what decrypts its answers, if they are encrypted."""

    auth: ClientAuth | Authenticate
    decrypt: Decrypt | None = None


def place_of(number: int) -> str:
    """Where the *number*-th of [[issuers]], from 1, says how it is asked."""
    return f"issuers[{number}].introspection"


def asked_of(one: IssuerRule) -> Introspection:
    """How the issuer *one* is asked: its own [issuers.introspection], with what the issuer itself says."""
    asked = replace(one.introspection, issuer=one.issuer, ca_file=one.introspection.ca_file or one.ca_file)
    if verifies_answers(asked) and not asked.keys:
        return replace(asked, keys=one.keys, algorithms=one.algorithms or asked.algorithms)
    return asked


def verifies_answers(asked: Introspection) -> bool:
    """Whether keys are needed for what the server answers."""
    return asked.answer == "signed" or asked.verify == "signature"


def askers(settings: Settings) -> Iterator[tuple[str, AsClient]]:
    """How each is asked, and the place of that in the settings."""
    yield "introspection", settings.introspection
    yield "exchange", settings.exchange
    yield "agent", settings.agent
    for number, one in enumerate(settings.issuers, 1):
        yield place_of(number), asked_of(one)


def clients(
    settings: Settings, environ: Mapping[str, str], *, now: Clock, random: Callable[[int], bytes]
) -> tuple[dict[str, Client], list[Problem]]:
    """What we are to each server, by its place, and what is wrong with the secrets and keys that needs."""
    made: dict[str, Client] = {}
    problems: list[Problem] = []
    for place, asked in askers(settings):
        auth, wrong = authentication(asked, environ, now=now, random=random)
        decrypt: Decrypt | None = None
        if isinstance(asked, Introspection) and asked.decryption_key:
            from phantomgate.config.statements import decryption

            decrypt, more = decryption(asked, environ)
            wrong += more
        made[place] = Client(auth, decrypt)
        problems += [Problem(f"{place}.{key}", text, settings.origin(f"{place}.{key}")) for key, text in wrong]
    return made, problems


def certificates(settings: Settings) -> list[Problem]:
    """What is wrong with the files of certificates: those that vouch for others, and ours."""
    trusted = [(f"{place}.ca_file", asked.ca_file) for place, asked in _as_written(settings)]
    trusted += [(f"issuers[{number}].ca_file", one.ca_file) for number, one in enumerate(settings.issuers, 1)]
    ours = [(f"{place}.client_certificate_file", certificate(asked)) for place, asked in _as_written(settings)]
    files: list[tuple[str, str, str, tuple[str | None, tuple[str, str] | None]]] = []
    files += [(name, file, "a file of certificates in PEM", (file, None)) for name, file in trusted if file]
    want = "a certificate in PEM, and its key, not encrypted, there or in client_certificate_key_file"
    files += [(name, pair[0], want, (None, pair)) for name, pair in ours if pair]
    if not files:
        return []
    from phantomgate.backends.tls import client_context

    problems: list[Problem] = []
    for name, path, want, arguments in files:
        try:
            client_context(*arguments)
        except OSError as no:
            text = f'is "{path}", which can\'t be used: {no.strerror or no}; want {want}'
            problems.append(Problem(name, text, settings.origin(name)))
    return problems


def _as_written(settings: Settings) -> Iterator[tuple[str, AsClient]]:
    yield "introspection", settings.introspection
    yield "exchange", settings.exchange
    yield "agent", settings.agent
    yield from ((place_of(number), one.introspection) for number, one in enumerate(settings.issuers, 1))
