"""What the settings of [exchange] say together, and beside others.

Rule: as `checks`. Without the section nothing is missing in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from phantomgate.config.asking_checks import IN_THE_CLEAR, missing, problems_of_token_client
from phantomgate.config.network import insecure
from phantomgate.config.settings import Settings
from phantomgate.oauth.urls import check_issuer


def problems_of_exchange(settings: Settings, unread: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """(setting, what is wrong with it and how to mend it) for everything about [exchange] that is."""
    if not settings.exchanges:
        return
    for name, also, check in _CHECKS:
        if not any(f"exchange.{one}" in unread or one in unread for one in (name, *also)):
            text = check(settings)
            if text:
                yield f"exchange.{name}", text
    yield from problems_of_token_client("exchange", settings.exchange, unread)


def _endpoint_is_there(settings: Settings) -> str:
    asked = settings.exchange
    if asked.endpoint:
        return ""
    if not asked.issuer:
        return missing("exchange", "endpoint", "https://as.example/token") + '; or issuer = "https://as.example"'
    try:
        check_issuer(asked.issuer, allow_insecure_http=asked.allow_insecure_http)
    except ValueError as no:
        return f"is missing, and can't be found in the metadata of exchange.issuer, which {no}; write endpoint"
    return ""


def _endpoint_is_private(settings: Settings) -> str:
    """RFC 6749 §3.2: the token endpoint needs TLS. Loopback is our own machine."""
    asked = settings.exchange
    if not asked.endpoint or asked.allow_insecure_http or not insecure(asked.endpoint):
        return ""
    return IN_THE_CLEAR


def _client_is_there(settings: Settings) -> str:
    return "" if settings.exchange.client_id else missing("exchange", "client_id", "api-gateway")


def _somebody_is_named(settings: Settings) -> str:
    """RFC 9700 §2.3: a token that is for everybody is one that any API can use at every other."""
    if settings.exchange.audience or settings.exchange.resource:
        return ""
    return missing("exchange", "audience", "orders-api") + ', or resource = "https://orders.example"'


def _one_makes_the_jwt(settings: Settings) -> str:
    return "and mint.keys are both there, and only one can make the JWT; keep one" if settings.mint.keys else ""


def _there_is_a_jwt(settings: Settings) -> str:
    signed = settings.introspection.answer == "signed" and bool(settings.introspection.client_id)
    signed = signed or any(one.introspection.answer == "signed" for one in settings.issuers)
    if settings.exchange.subject_token != "jwt" or not signed:  # noqa: S105 - which token, not one
        return ""
    return 'is "jwt", and answer = "signed" gives none that may be used as a token; write "presented"'


_CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Settings], str]], ...] = (
    ("endpoint", ("issuer",), _endpoint_is_there),
    ("endpoint", ("allow_insecure_http",), _endpoint_is_private),
    ("client_id", (), _client_is_there),
    ("audience", ("resource",), _somebody_is_named),
    ("endpoint", ("mint.keys",), _one_makes_the_jwt),
    ("subject_token", ("introspection.answer", "issuers"), _there_is_a_jwt),
)
"""(the setting that is blamed, the others it looks at, the check)."""
