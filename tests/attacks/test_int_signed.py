"""INT, where the authorization server signs its answers (RFC 9701): one that is replayed or another's is a 502."""

from __future__ import annotations

import pytest

from attacks.cases import attack
from phantomgate.core.errors import Reason
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
