"""A session's token as it was sealed: who is asked about what, and what ends it."""

from __future__ import annotations

import pytest

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Credential, Route, Source
from phantomgate.core.purge import Mark, digest_of
from phantomgate.resolvers.marks import Marks
from phantomgate.resolvers.sealed import AsSealed
from phantomgate.testing import FakeClock
from tokens import NOW, jwt

ROUTE = Route("any")


def test_nothing_that_it_claims_is_told_but_its_times(drive):
    token = drive(AsSealed(None).resolve(Credential(jwt(), sealed=True), ROUTE))

    assert {"exp": NOW + 3600} == token.claims
    assert (frozenset(), Source.SEALED, jwt()) == (token.scopes, token.source, token.jwt)
    assert 0 == token.lifetime(NOW, 0.0)


def test_both_of_its_times_are_told(drive):
    token = drive(AsSealed(None).resolve(Credential(jwt(nbf=NOW + 60), sealed=True), ROUTE))

    assert {"exp": NOW + 3600, "nbf": NOW + 60} == token.claims
    assert NOW + 3600 == token.expires_at


@pytest.mark.parametrize("said", [jwt(nonce="n"), jwt(at_hash="h"), jwt(exp=None)], ids=["nonce", "at_hash", "no exp"])
def test_an_id_token_or_a_jwt_that_never_ends_goes_nowhere(drive, said):
    with pytest.raises(Refused) as no:
        drive(AsSealed(None).resolve(Credential(said, sealed=True), ROUTE))
    assert Reason.INVALID_TOKEN is no.value.reason


def test_what_was_not_sealed_needs_somebody_to_ask(drive):
    with pytest.raises(Refused) as no:
        drive(AsSealed(None).resolve(Credential(jwt()), ROUTE))
    assert Reason.INVALID_TOKEN is no.value.reason


def test_one_that_was_purged_goes_nowhere(drive):
    marks = Marks(ticks=FakeClock().ticks)
    marks.put(Mark("token", digest_of(b"", "token", "", "opaque"), NOW, 60.0))
    with pytest.raises(Refused) as no:
        drive(AsSealed(None, marks).resolve(Credential("opaque", sealed=True), ROUTE))

    assert Reason.INACTIVE is no.value.reason
    assert "another" == drive(AsSealed(None, marks).resolve(Credential("another", sealed=True), ROUTE)).jwt
