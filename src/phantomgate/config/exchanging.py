"""From [exchange] to what exchanges tokens, and what can be asked to see whether that works.

Rule: imported only where tokens are exchanged.
"""

from __future__ import annotations

from typing import cast

from phantomgate.config.asking import Client
from phantomgate.config.authentication import certificate
from phantomgate.config.probes import Probe
from phantomgate.config.tools import Tools
from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.token_endpoint import TokenRefused
from phantomgate.oauth.token_exchange import ExchangeRules, TokenType
from phantomgate.resolvers.cached import Counts
from phantomgate.resolvers.exchange import Exchange
from phantomgate.resolvers.held import Held
from phantomgate.resolvers.keys import endpoint_in, metadata_of

NAME = "exchange"
"""What the server of [exchange] is called in the log, and by `check`."""
_OURS = frozenset(("unauthorized_client", "unsupported_grant_type", "invalid_target"))
"""What a server says that would exchange nothing for us, whatever the token."""


def exchanging(tools: Tools, client: Client, counts: Counts) -> tuple[Exchange, Probe]:
    """What exchanges, as *client*, and its probe; *counts* is where its memory counts.

    As it was made before, if nothing of it has changed.
    """
    made: tuple[Exchange, Probe] = tools.of_issuer(
        NAME, lambda: _exchanging(tools, client, counts), "exchange", tools.settings.exchange
    )
    return made


def _exchanging(tools: Tools, client: Client, counts: Counts) -> tuple[Exchange, Probe]:
    settings = tools.settings
    asked = settings.exchange
    http = tools.http(NAME, asked.ca_file, certificate(asked), asked.max_connections)
    metadata = None
    if not asked.endpoint:
        fetch = metadata_of(
            http,
            asked.issuer,
            ("oauth", "openid"),
            timeout=asked.timeout,
            allow_insecure_http=asked.allow_insecure_http,
            wanted=("token_endpoint",),
        )
        metadata = Held(
            f"metadata of {NAME}",
            fetch,
            tools.key_once,
            ticks=tools.ticks,
            later=tools.later,
            failed=lambda no, seconds: tools.failed(NAME, "metadata", no, seconds),
        )
    exchange = Exchange(
        http,
        asked.endpoint if metadata is None else endpoint_in(metadata, "token_endpoint"),
        client.auth,
        ExchangeRules(
            asked.audience,
            asked.resource,
            asked.scope,
            cast("TokenType", asked.subject_token_type),
            cast("TokenType", asked.requested_token_type),
        ),
        tools.cache,
        tools.once,
        secret=tools.secret,
        context=(NAME, asked.endpoint, asked.issuer, asked.client_id, asked.client_auth),
        counts=counts,
        now=tools.now,
        ticks=tools.ticks,
        of_jwt=asked.subject_token == "jwt",  # noqa: S105 - which token, not one
        timeout=asked.timeout,
        max_age=asked.max_age,
        refused_seconds=settings.cache.negative_max_age,
        clock_skew=settings.policy.clock_skew,
    )
    return exchange, _probe(tools, exchange)


def _probe(tools: Tools, exchange: Exchange) -> Probe:
    """Tries to exchange a token that nobody issued: a good server refuses that token, and not us."""

    async def ask() -> Refused | None:
        try:
            await exchange.ask(f"phantomgate-probe-{tools.random(16).hex()}", "")
        except TokenRefused as said:
            if said.error in _OURS:
                return Refused(Reason.CLIENT_REFUSED, f"the token endpoint answered {said.error}")
            return None
        except Refused as no:
            return no
        return Refused(Reason.BAD_ANSWER, "the authorization server exchanges a token that nobody issued")

    asked = tools.settings.exchange
    return Probe(NAME, (asked.endpoint or asked.issuer).partition("?")[0], ask)
