"""Where an issuer's keys come from: its `jwks_uri`, found by discovery or configured, or a file.

Rule: here is what is fetched; when, and for how long it is used, is `Held`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.ports import Http
from phantomgate.core.typed import Protocol
from phantomgate.oauth.discovery import WANTED, Form, Metadata, NoMetadata, metadata_request, read_metadata
from phantomgate.oauth.freshness import read_freshness
from phantomgate.oauth.jwks import KeySet
from phantomgate.oauth.jws import UnknownKey
from phantomgate.oauth.key_set import key_set_request, read_key_set_reply, read_keys
from phantomgate.resolvers.held import Fetched, Held, Kept

T = TypeVar("T")


class Keys(Protocol):
    """One issuer's key set: `Held` or `Fixed`."""

    async def get(self) -> Kept[KeySet]:
        """The set, and until when what it verifies may be remembered."""

    async def other_than(self, value: KeySet) -> Kept[KeySet]:
        """The set after looking again for a key that *value* lacks; the same when that was done lately."""


async def by_newest(keys: Keys, read: Callable[[KeySet], T]) -> tuple[T, float]:
    """What *read* makes of the set, looked for again once if it lacks a key; and until when that may be remembered.

    Raises what *read* raises; UnknownKey only when the newest set lacks the key too.
    """
    kept = await keys.get()
    try:
        return read(kept.value), kept.until
    except UnknownKey:
        newer = await keys.other_than(kept.value)
        if newer.value is kept.value:
            raise
    return read(newer.value), newer.until


def metadata_of(
    http: Http,
    issuer: str,
    forms: Sequence[Form],
    *,
    timeout: float,
    origins: Collection[str] = (),
    allow_insecure_http: bool = False,
    wanted: Collection[str] = WANTED,
) -> Callable[[], Awaitable[Fetched[Metadata]]]:
    """Fetches the metadata of *issuer*, each of *forms* in turn until there is one; *timeout*, in seconds, for each."""

    async def fetch() -> Fetched[Metadata]:
        missing: list[str] = []
        for form in forms:
            call = metadata_request(issuer, form, timeout)
            reply = await http.send(call)
            try:
                said = read_metadata(
                    reply, issuer, origins=origins, allow_insecure_http=allow_insecure_http, wanted=wanted
                )
            except NoMetadata as no:
                missing.append(f"{call.url} ({no.detail})")
            else:
                return Fetched(said, read_freshness(reply.headers))
        raise Refused(Reason.BAD_ANSWER, f"the issuer publishes no metadata at {' nor '.join(missing)}")

    return fetch


def endpoint_in(metadata: Held[Metadata], name: str) -> Callable[[], Awaitable[str]]:
    """Finds the endpoint *name* ("jwks_uri", "token_endpoint"); raises Refused(BAD_ANSWER) without one."""

    async def find() -> str:
        said = (await metadata.get()).value
        endpoint: str = getattr(said, name)
        if not endpoint:
            raise Refused(Reason.BAD_ANSWER, f"the issuer's metadata has no {name}")
        return endpoint

    return find


def keys_at(
    http: Http, where: Callable[[], Awaitable[str]], algorithms: Sequence[str], *, timeout: float
) -> Callable[[], Awaitable[Fetched[KeySet]]]:
    """Fetches the key set from the URL that *where* finds."""

    async def fetch() -> Fetched[KeySet]:
        reply = await http.send(key_set_request(await where(), timeout))
        return Fetched(read_key_set_reply(reply, algorithms), read_freshness(reply.headers))

    return fetch


def keys_in(
    read: Callable[[], bytes], name: str, algorithms: Sequence[str]
) -> Callable[[], Awaitable[Fetched[KeySet]]]:
    """Fetches the key set from the file *name*, which *read* reads."""

    async def fetch() -> Fetched[KeySet]:
        try:
            data = read()
        except OSError as no:
            raise Unavailable(f"the key file {name} can't be read: {no.strerror or type(no).__name__}") from no
        return Fetched(read_keys(data, algorithms), None)

    return fetch
