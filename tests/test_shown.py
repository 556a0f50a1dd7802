"""What a noun shows of itself ends in a trace or a debugger sooner or later: secrets and tokens aren't in it."""

from __future__ import annotations

import dataclasses
import gc
import json
import sys
import traceback
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest

import phantomgate
from phantomgate.config.sharing import Secrets
from phantomgate.core.errors import PhantomgateError
from phantomgate.core.model import Credential, HeaderChange, Headers
from phantomgate.core.ports import HttpReply, UpstreamJwt
from phantomgate.core.purge import read_purge
from phantomgate.oauth.authorization_response import read_authorization_response
from phantomgate.oauth.bearer import read_authorization
from phantomgate.oauth.claims import read_audiences, read_scopes, read_time
from phantomgate.oauth.introspection import read_introspection
from phantomgate.oauth.jwks import KeySet
from phantomgate.oauth.jws import verify_jws
from phantomgate.oauth.split_token import read_key, read_pushed
from phantomgate.oauth.strict_json import read_object
from phantomgate.oauth.token_endpoint import read_token_reply
from phantomgate.oauth.unverified import read_unverified
from phantomgate.session.cookies import CookieNames, read_cookies

MARK = "canary0123456789"
SECRET = frozenset(
    ("secret", "secrets", "password", "sentinel_password", "digests", "other_digests", "retired", "environ")
)
TOKEN = frozenset(
    (
        "jwt",
        "token",
        "access_token",
        "refresh_token",
        "id_token",
        "presented",
        "plaintext",
        "half",
        "code",
        "identities",
    )
) | {"code_verifier", "nonce", "session_id", "csrf", "claims", "body", "cookies", "jws", "assertion", "credential"}
"""What holds a token, something that is as good as one, or what somebody's token says."""
TOKENS_TOO = {
    *("Credential.value", "SessionToken.value", "Purge.value", "HttpCall.headers", "HeaderChange.set", "Request.query"),
    *("ClientAuth.headers", "ClientAuth.params", "Rendered.fields", "_Cookies.at", "connection.Asked.url"),
    *("LoginRequest.state", "AuthorizationResponse.state", "Login.state", "Header.values", "UnverifiedJwt.header"),
    *("Verified.header", "Introspected.stated", "Brought.login", "Ended.sub", "Ended.sid", "DropIn.variables"),
}
"""The same, by names that are used for other things elsewhere."""
PUBLIC = {
    *("Refusal.body", "Published.body"),  # what anybody is told
    *("MintRules.claims", "Facts.claims"),  # names of claims
    "AgentReply.code",  # what went wrong
    *("CookieNames.csrf", "Authorizer.identities", "Names.claims"),  # what something is called
    *("OneProcess.claims", "FakeStore.claims"),  # by whom a refresh is under way
    *("Allow.token", "_Made.token", "Reach.token", "Brought.csrf", "_Session.credential"),  # nouns that hide it
}
REFERENCES = "phantomgate.config.settings"
"""Where they have these names, and say where a secret is."""
DEVELOPMENT = ("phantomgate.demo.", "phantomgate.cli.probing", "phantomgate.cli.doctor")
"""Whose tokens are made up, and to be looked at."""


@cache
def ours() -> tuple[type, ...]:
    """Every class of ours."""
    for module in walk_packages(phantomgate.__path__, "phantomgate."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    loaded = [one for one in gc.get_objects() if isinstance(one, type)]
    found = [one for one in loaded if str(one.__module__).startswith("phantomgate.")]
    return tuple(one for one in found if getattr(sys.modules[one.__module__], one.__name__, one) is one)


def fields_of(kind: type) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [one.name for one in dataclasses.fields(kind)]
    return list(getattr(kind, "_fields", ())) if issubclass(kind, tuple) else []


def shown(kind: type) -> list[str]:
    """The fields that the representation of *kind* tells."""
    if dataclasses.is_dataclass(kind):
        return [one.name for one in dataclasses.fields(kind) if one.repr]
    return list(getattr(kind, "_fields", ())) if issubclass(kind, tuple) else []


def holding(kind: type) -> list[str]:
    """The fields of *kind* in which a token may be."""
    module = kind.__module__.rpartition(".")[2]
    found = []
    for name in fields_of(kind):
        called = {f"{kind.__name__}.{name}", f"{module}.{kind.__name__}.{name}"}
        if not called & PUBLIC and (name in TOKEN or called & TOKENS_TOO):
            found.append(name)
    return found


def made(kind: type, marked: list[str]) -> Any:
    """One of *kind* with the mark in the fields *marked* and nothing in the others; its own checks aren't asked."""
    values = {name: (MARK if name in marked else None) for name in fields_of(kind)}
    if issubclass(kind, tuple):
        return tuple.__new__(kind, tuple(values.values()))
    one = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(one, name, value)
    return one


def test_no_noun_shows_a_secret():
    telling = {
        f"{one.__module__}.{one.__qualname__}.{name}"
        for one in ours()
        for name in SECRET.intersection(shown(one))
        if not one.__module__.startswith(REFERENCES)
    }

    assert len(ours()) > 300
    assert set() == telling


def test_no_noun_shows_a_token():
    looked_at, telling = set(), set()
    for kind in ours():
        marked = holding(kind)
        if not marked or kind.__module__.startswith((REFERENCES, *DEVELOPMENT)):
            continue
        looked_at |= {f"{kind.__name__}.{name}" for name in marked}
        one = made(kind, marked)
        for text in (repr(one), str(one), f"{one}", f"{one!r}", "%r" % (one,), repr([one])):  # noqa: UP031 - it is another way
            if MARK in text:
                telling.add(f"{kind.__module__}.{kind.__qualname__}: {text}")

    assert set() == telling
    assert {
        "Token.jwt",
        "UpstreamJwt.jwt",
        "Introspected.jwt",
        "Exchanged.jwt",
        "_Kept.jwt",
        "Pushed.half",
    } <= looked_at
    assert {"Kept.token", "Session.refresh_token", "_Cookies.at", "Rendered.fields", "HttpCall.body"} <= looked_at
    assert {one.rpartition(".")[0].rpartition(".")[2] for one in TOKENS_TOO} <= {
        one.partition(".")[0] for one in looked_at
    }


def test_neither_by_the_first_constructor_nor_by_that_of_one_made_often():
    told = {repr(Secrets("canary-1", "canary-2", "canary-3", (f"canary-{number}",))) for number in range(200)}

    assert {"Secrets()"} == told


def test_what_isn_t_hidden_is_shown():
    assert "UpstreamJwt(expires_at=1.0, renew_at=2.0, made='minted')" == repr(UpstreamJwt(MARK, 1.0, 2.0, "minted"))


@pytest.mark.parametrize("kind", [Credential, HeaderChange, UpstreamJwt])
def test_nor_does_what_is_said_of_one_made_wrongly(kind: Callable[..., object]):
    for number in (1, 200):  # the first constructor, and that of one made often
        told = []
        for _ in range(number):
            with pytest.raises(TypeError) as no:
                kind(*[MARK] * 9)
            told.append("".join(traceback.format_exception(no.value)) + repr(no.value))

        assert not [text for text in told if MARK in text]


def _segment(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def reply(body: bytes, content_type: str, status: int = 200) -> HttpReply:
    return HttpReply(status, Headers([(b"content-type", content_type.encode())]), body)


def asked(answer: HttpReply) -> object:
    return read_introspection(answer, asked="jwt", now=1.0)


_NAMES = CookieNames("s", host_prefix=False)
BROKEN = (
    MARK,
    f"{MARK}.{MARK}",
    f"{MARK}.{MARK}.{MARK}",
    f"{_segment({'alg': 'ES256', 'kid': 'k1'})}.{_segment({'sub': MARK})}.{MARK}",
    f"{_segment({'alg': 'ES256', 'crit': [MARK]})}.{_segment({'exp': MARK})}.{MARK}",
    f"{_segment({'alg': 'ES256'})}.{_segment([MARK])}.{MARK}",
    f"{MARK} {MARK}",
    f"{MARK}\udc80é",
    '{"access_token": "' + MARK + '", "access_token": "' + MARK + '"}',
    '{"access_token": {"' + MARK + '": "' + MARK + '"}, "token_type": "Bearer"}',
    '{"active": "' + MARK + '", "scope": ["' + MARK + '"]}',
    '{"sub": "' + MARK,
)
"""Tokens and answers with one that nobody can read."""
READERS: dict[str, Callable[[str], object]] = {
    "authorization": lambda text: read_authorization(f"Bearer {text}".encode("utf-8", "surrogateescape")),
    "unverified": read_unverified,
    "jws": lambda text: verify_jws(text, KeySet(["ES256"], [])),
    "pushed hash": read_key,
    "pushed half": lambda text: read_pushed("A" * 43, text),
    "introspected JWT": lambda text: asked(reply(text.encode("utf-8", "surrogateescape"), "application/jwt")),
    "introspected JSON": lambda text: asked(reply(text.encode("utf-8", "surrogateescape"), "application/json")),
    "introspection as": lambda text: asked(reply(b"", text)) if text.isascii() else None,
    "token": lambda text: read_token_reply(reply(text.encode("utf-8", "surrogateescape"), "application/json")),
    "JSON": lambda text: read_object(text.encode("utf-8", "surrogateescape")),
    "scopes": lambda text: read_scopes({"scope": [text, 1]}),
    "audiences": lambda text: read_audiences({"aud": [text, 1]}),
    "time": lambda text: read_time({"exp": text}, "exp"),
    "answer to a login": lambda text: read_authorization_response(f"state={text}&code={text}&code={text}"),
    "cookies": lambda text: read_cookies([f"s-at={text}; s-at={text}".encode("utf-8", "surrogateescape")], _NAMES),
    "purge": lambda text: read_purge([1, text]),
}


def refusal(reader: str, text: str) -> Exception | None:
    try:
        READERS[reader](text)
    except Exception as no:  # noqa: BLE001 - whatever it is, it may be printed
        return no
    return None


@pytest.mark.parametrize("reader", READERS)
def test_no_error_quotes_a_token(reader: str):
    refusals = [no for text in BROKEN if (no := refusal(reader, text)) is not None]
    told = ["".join(traceback.format_exception(no)) + repr(no) + f"{no}" for no in refusals]

    assert told != []  # else nothing was looked at
    assert not [text for text in told if MARK in text]
    assert not [no for no in refusals if not isinstance(no, (PhantomgateError, ValueError))]
