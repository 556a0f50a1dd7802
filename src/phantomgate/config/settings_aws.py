"""The settings that only an AWS Lambda function has. As `settings`: each line with its kind, default and reference."""

from __future__ import annotations

from phantomgate.config.durations import duration
from phantomgate.config.kinds import SWITCH, Kind, choice, setting, words
from phantomgate.config.network import url
from phantomgate.config.vocabulary import SECRET
from phantomgate.core.nouns import dataclass

UNKNOWN = "unknown"
_SECONDS = duration("0s", "1h")


def _ttl(value: object) -> float | None:
    return None if value == UNKNOWN else _SECONDS.read(value)


_TTL = Kind(
    f'duration, 0s to 1h, or "{UNKNOWN}"', _ttl, {"anyOf": [dict(_SECONDS.schema), {"enum": [UNKNOWN]}]}
)  # fmt: skip
_KEYS = url(query=True, want='a URL such as "https://as.example/jwks"')
_RESOURCE = words(
    "resource",
    r"arn:(?:aws[a-z-]*|\*):execute-api:[!-z|~]{1,480}|\*",
    'an ARN such as "arn:aws:execute-api:eu-west-1:*:*"',
)


@dataclass(frozen=True, slots=True)
class Aws:
    """The authorizer on AWS Lambda. Nothing here matters elsewhere."""

    policy: str = setting(choice("cached", "exact"), "cached")
    """What a policy allows: `cached`, all that the token may reach, so that it stays right while API Gateway remembers
    it; `exact`, only the method and path that were called, for authorizers without caching, and for `[[routes]]` that
    IAM's wildcards can't express."""
    cache_ttl: float | None = setting(_TTL, UNKNOWN)
    """For how long API Gateway remembers our answers: the authorizer's TTL. Say `"0s"` where caching is off. Unknown
    counts as on."""
    http_api: str = setting(choice("simple", "iam"), "simple")
    """How an HTTP API with payload 2.0 is answered: `simple` where the authorizer has simple responses enabled, else
    `iam`, by a policy."""
    raise_unauthorized: bool = setting(SWITCH, False)
    """Answer an HTTP API with payload 2.0 by the error `Unauthorized` where the token is missing or not good. AWS
    doesn't say what it makes of that there; without, it is 403."""
    bearer_prefix: bool = setting(SWITCH, True)
    """Whether the value of `Authorization` in the context begins with `Bearer `. `false` gives the JWT alone, as the
    Node authorizer did."""
    context_key: str = setting(choice("Authorization", "token"), "Authorization")
    """What the JWT is called in the context: `token`, as in the OAuth proxy authorizer's, where its variables are used.
    """
    bearer_tokens: bool = setting(SWITCH, True)
    """Whether a token in `Authorization` is let in. `false`: only sessions are, as `ALLOW_TOKEN=false` has it."""
    forward_sealed: bool = setting(SWITCH, False)
    """Send the token that a session's cookie seals upstream as it is, as `USE_PHANTOM_TOKEN=false` has it: nobody is
    asked about it, and if it is a JWT, its `exp` is looked at and no more. The API must verify it."""
    bare_token: bool = setting(SWITCH, False)
    """Accept a TOKEN authorizer's value without `Bearer ` in front. On where the variables of a Node authorizer are
    used, whose clients may rely on it."""
    shared_secret: str = setting(SECRET, "")
    """What callers of a Function URL or load balancer send in `X-Phantomgate-Secret`, unless IAM has identified them;
    others are refused. `"env:NAME"`, `"aws-sm:NAME#key"` or `"aws-ssm:NAME"`, of 16 characters or more."""
    keys: str = setting(_KEYS, "")
    """Verify JWTs of any issuer by the key set at this URL, as the Node JWT authorizer does with `JWKS_URI`. Write
    `policy.issuers` and `policy.audiences` with it; better are `[[issuers]]`, which must have them."""
    resource: str = setting(_RESOURCE, "")
    """What a policy allows instead of the whole stage: an ARN, `*` for any text, as the Node JWT authorizer has in
    `RESOURCE`. Not with `[[routes]]`."""
