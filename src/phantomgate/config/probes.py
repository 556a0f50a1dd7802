"""What can be asked of an issuer to see whether it is there: harmless questions, whose good answers are known."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from phantomgate.config.settings import IssuerRule
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Credential, Route
from phantomgate.core.typed import NamedTuple
from phantomgate.resolvers.introspect import Introspect

if TYPE_CHECKING:
    from phantomgate.resolvers.keys import Keys


class Probe(NamedTuple):
    """One thing to ask of one issuer: of whom, where, and how; the answer is None when all is well."""

    name: str
    where: str
    ask: Callable[[], Coroutine[Any, Any, Refused | None]]


def probe_introspection(random: Callable[[int], bytes], one: IssuerRule, introspect: Introspect) -> Probe:
    """Asks about a token nobody issued: a good server says, as it should, "not active"."""

    async def ask() -> Refused | None:
        nobody = Credential(f"phantomgate-probe-{random(16).hex()}")
        try:
            await introspect.resolve(nobody, Route("probe"))
        except Refused as no:
            return None if no.reason is Reason.INACTIVE else no
        return Refused(Reason.BAD_ANSWER, "the authorization server calls a token active that it never issued")

    return Probe(one.name, (one.introspection.endpoint or one.issuer).partition("?")[0], ask)


def probe_keys(one: IssuerRule, keys: Keys) -> Probe:
    """Gets the keys: a good issuer has at least one that can be used."""

    async def ask() -> Refused | None:
        try:
            found = (await keys.get()).value
        except Refused as no:
            return no
        if found.keys:
            return None
        why = f": {found.skipped[0].why}" if found.skipped else ""
        return Refused(Reason.BAD_ANSWER, f"key set: none of its {len(found.skipped)} keys can be used{why}")

    where = "jwks in the settings" if one.jwks else one.keys or f"the keys of {one.issuer}"
    return Probe(one.name, where.partition("?")[0], ask)
