"""Find the one credential of a request, or say why there isn't exactly one."""

from __future__ import annotations

from collections import OrderedDict

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Credential, Request
from phantomgate.core.ports import Find
from phantomgate.oauth.bearer import read_authorization
from phantomgate.oauth.form import names_of_query

REMEMBERED_FIELDS = 4096


def find_nothing(request: Request) -> Credential:
    """Finds no credential in any *request*, for gateways that let nobody in by one of his own: Refused."""
    which = "a bearer token, which is not let in here" if b"authorization" in request.headers else "no credential"
    raise Refused(Reason.MISSING_CREDENTIAL, which)


def find_bearer() -> Find:
    """Finds the Bearer token of the Authorization field (RFC 6750 §2.1), the only place we look.

    A token in the query is ignored, and refused beside one in the field: more than one method (RFC 6750 §2). What is
    remembered is parsing: the same field bytes give the same `Credential` object, so that what is keyed by it is found
    without hashing the token again. Bounded; the oldest goes first.
    """
    seen: OrderedDict[bytes, Credential] = OrderedDict()

    def find(request: Request) -> Credential:
        headers = request.headers
        if headers.repeated:
            headers.one(b"authorization")
        value = headers.fields.get(b"authorization", b"")
        credential = seen.get(value)
        if credential is None:
            credential = Credential(read_authorization(value))
            if len(seen) >= REMEMBERED_FIELDS:
                seen.popitem(last=False)
            seen[value] = credential
        query = request.query
        # Spelled out or percent-encoded, or it is not there at all.
        if query and ("access_token" in query or "%" in query) and "access_token" in names_of_query(query):
            raise Refused(Reason.MALFORMED_REQUEST, "an access token in the query beside the Authorization field")
        return credential

    return find
