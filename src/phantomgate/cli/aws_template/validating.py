"""The expression that AWS holds a token against before the function is asked, where one header is all that it gets.

Rule: held against credentials that are good, by Python, whose expressions are nearly those of AWS.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

from phantomgate.cli.aws_template.finding import Finding, Kind
from phantomgate.cli.aws_template.functions import Later
from phantomgate.cli.aws_template.template import Node
from phantomgate.cli.aws_template.told import Told

CREDENTIAL = "Bearer _0XBPWQQ_453276e9-6b2f-4a53-9a3b-5f1d6f8f0c11"
"""One that is good, as most are."""
_ALSO_GOOD = "bearer abcDEF.123-456~789+abc/def=="
_SCHEME = "[Bb][Ee][Aa][Rr][Ee][Rr] +"


def of_token(at: Node, expression: Node, told: Told, *, bare: bool = False, most: int = 4096) -> Iterator[Finding]:
    """What is wrong with *expression* of the authorizer that is written *at*, and gets one header.

    *bare*: AWS wants the token without a scheme, and so may clients. It takes *most* characters.
    """
    if told.settings.session.keys and told.knows("session"):
        kind, change = ("a TOKEN", "make it a REQUEST authorizer, TTL 0")
        if bare:
            kind, change = ("an AppSync", "leave sessions to API Gateway, with a REQUEST authorizer, TTL 0")
        what = f"{kind} authorizer sees one header and no cookie, so no session is let in"
        yield Finding(Kind.BROKEN, "session-by-token", what, at.path, change)
    said = expression.text()
    place = expression.path
    good = f"^({_SCHEME})?" if bare else f"^{_SCHEME}"
    good += f"[A-Za-z0-9._~+/=-]{{8,{most}}}$"
    if said is None:
        what = "whatever is sent as Authorization invokes the function"
        yield Finding(Kind.ADVICE, "validation-missing", what, place, f"write {good}")
        return
    if isinstance(said, Later):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pattern = re.compile(said)
    except (re.error, RecursionError, OverflowError):
        what = f"the validation expression can't be read here: {said[:60]}"
        yield Finding(Kind.ADVICE, "validation-unread", what, place, f"write {good}")
        return
    without = [one.partition(" ")[2] for one in (CREDENTIAL, _ALSO_GOOD)]
    takes_bare = (bare or told.settings.aws.bare_token) and pattern.search(without[0])
    if not pattern.search(CREDENTIAL) and not takes_bare:
        who = "AppSync" if bare else "API Gateway"
        what = f"{who} answers 401 to a good token before the function is asked: {said[:60]}"
        yield Finding(Kind.BROKEN, "validation-refuses", what, place, f"write {good}")
    elif not all(map(pattern.search, [_ALSO_GOOD, *(without if bare else [])])):
        what = "some good credentials are answered 401: tokens have ._~+/=- too, and the scheme may be in any case"
        more = f"{what}; and it may be left out" if bare else what
        yield Finding(Kind.ADVICE, "validation-narrow", more, place, f"write {good}")
