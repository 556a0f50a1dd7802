"""IAM's evaluation of a policy, as its documentation says it and by no code of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any


def matches(pattern: str, resource: str) -> bool:
    """`*` is any text, slashes and colons included, `?` one character of any kind; case counts."""
    expression = "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.fullmatch(expression, resource, re.DOTALL) is not None


def evaluate(policy: Mapping[str, Any], resource: str, action: str = "execute-api:Invoke") -> bool:
    """An explicit Deny wins over every Allow; what nothing allows is denied; the order means nothing."""
    assert "2012-10-17" == policy["Version"]
    effects = set()
    for statement in policy["Statement"]:
        assert {"Action", "Effect", "Resource"} == set(statement)
        assert isinstance(statement["Resource"], list)
        if matches(statement["Action"], action) and _any(statement["Resource"], resource):
            effects.add(statement["Effect"])
    assert effects <= {"Allow", "Deny"}
    return "Deny" not in effects and "Allow" in effects


def _any(patterns: Iterable[str], resource: str) -> bool:
    return any(matches(pattern, resource) for pattern in patterns)
