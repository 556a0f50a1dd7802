"""INT, where what the authorization server answers is verified: what another signed, or signed before, is a 502."""

from __future__ import annotations

import pytest

from attacks.cases import attack
from config import test_asking as asking
from issuing import ISS
from issuing import signed as signing
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Reason
from phantomgate.core.model import Refuse
from resolvers import test_statements as signed
from tokens import NOW


@attack("INT-017")
@pytest.mark.parametrize(
    "changed",
    [{"iss": "https://other.example"}, {"iat": None}, {"iat": NOW - 600}, {"iat": NOW + 600}],
    ids=["iss", "no iat", "iat 10 min old", "iat in the future"],
)
def test_a_statement_that_is_another_servers_or_not_of_now_is_a_502(case, changed, drive, clock):
    no = signed.refused(drive, clock, signed.statement(**changed))

    assert no.reason is Reason.BAD_ANSWER
    assert no.reason.status == 502


@attack("INT-011")
@pytest.mark.parametrize("kid", ["k1", "k9"], ids=["by the name of its key", "by an unknown key"])
def test_a_jwt_that_the_issuer_did_not_sign_is_a_502_and_never_forwarded(case, clock, kid):
    forged = signing("k9", header={"alg": "ES256", "kid": kid})
    wired, http = asking.gate(clock, Settings(issuers=(asking.VERIFIED,)), main=asking.phantom(forged))

    decision = asking.ask(wired)

    assert 1 == len(asking.asked_of(http, f"{ISS}/introspect"))
    assert isinstance(decision, Refuse)
    assert 502 == decision.reason.status
