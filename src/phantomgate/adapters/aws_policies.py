"""IAM policies for API Gateway, written so that they stay right when they are remembered.

Rule: a resource is made of AWS's own words and the route table's, never of the caller's path, but for `exact`, which is
for use without a cache.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from phantomgate.adapters.aws_events import Arn

if TYPE_CHECKING:
    from phantomgate.gateway.iam import Reachable  # only with [[routes]]: a cold start without pays nothing for it

LONGEST_RESOURCE = 512
"""API Gateway takes no longer resource in an authorizer's policy, in characters."""
READING = ("GET", "HEAD", "OPTIONS")
"""RFC 9110 §9.2.1: methods that change nothing, but for TRACE, which API Gateway doesn't know."""

Policy: TypeAlias = Mapping[str, Any]


def whole_stage(arn: Arn) -> Policy:
    """Every method and path of the stage, for a token that may use all of them."""
    return _policy([f"{arn.below}*"])


def reading(arn: Arn) -> Policy:
    """What changes nothing, of the whole stage: a session's request for it has not shown that it may change more."""
    return _policy([f"{arn.below}{method}/*" for method in READING])


def nothing(arn: Arn) -> Policy:
    """Nothing of the stage."""
    return _policy([], [f"{arn.below}*"])


def of_table(arn: Arn, reachable: Reachable) -> Policy:
    """What the table lets a token reach, and nothing that two servers could read in two ways."""
    anywhere = f"arn:{arn.partition}:execute-api:*:*:"  # an ambiguous path is denied on every stage; and this is short
    deny = [f"{arn.below}{one}" for one in reachable.deny]
    return _policy(
        [f"{arn.below}{one}" for one in reachable.allow], [*deny, *(anywhere + one for one in reachable.anywhere)]
    )


def of_connect(arn: Arn) -> Policy:
    """The one resource of a WebSocket API that an authorizer is asked about."""
    return _policy([f"{arn.below}$connect"])


def exact(arn: Arn) -> Policy | None:
    """The called method and path; None for a path that would be a pattern, or is too long."""
    resource = f"{arn.below}{arn.method}{arn.path}"
    if re.search(r"[*?\x00-\x20\x7f]|\$\{", arn.path) or len(resource) > LONGEST_RESOURCE:
        return None
    return _policy([resource])


def fixed(resource: str) -> Policy:
    """The one *resource* that the settings name, as the JWT authorizer does."""
    return _policy([resource])


def covers(pattern: str, arn: Arn) -> bool:
    """Whether IAM takes *pattern* for the called resource, for answers that can't name one."""
    wild = {"*": ".*", "?": "."}
    expression = "".join(wild.get(char) or re.escape(char) for char in pattern)
    return re.fullmatch(expression, f"{arn.below}{arn.method}{arn.path}", re.DOTALL) is not None


def _policy(allow: Sequence[str], deny: Sequence[str] = ()) -> Policy:
    statements = [
        {"Action": "execute-api:Invoke", "Effect": effect, "Resource": list(resources)}
        for effect, resources in (("Allow", allow), ("Deny", deny))
        if resources
    ]
    return {"Version": "2012-10-17", "Statement": statements}
