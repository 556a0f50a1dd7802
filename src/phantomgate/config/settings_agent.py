"""The settings of the OAuth agent, as `settings` has those of all else, and by its rule."""

from __future__ import annotations

from phantomgate.config.durations import duration
from phantomgate.config.kinds import SWITCH, choice, list_of, number, setting, words
from phantomgate.config.network import OPTIONAL_ADDRESS, keys_source, origin, url
from phantomgate.config.settings_servers import AsClient
from phantomgate.config.vocabulary import ALGORITHMS_USED, CLAIM, FORMS, ISSUER, RETURN_TO, SCOPES, page_parameter
from phantomgate.core.nouns import dataclass

_ENDPOINT = url(query=True, want='a URL such as "https://as.example/oauth/v2/token"')
_KEYS = keys_source(want='a URL such as "https://as.example/jwks", or "file:/etc/phantomgate/keys.json"')
_PAGE = url(query=True, want='a URL such as "https://www.example.com/"')
_STATE = words(
    "text", r"memory|redis|dynamodb:[A-Za-z0-9_.-]{3,255}", '"memory", "redis" or "dynamodb:TABLE"', optional=False
)
_ORIGINS = list_of(origin(want='an origin such as "https://keys.example"'), want='["https://keys.example"]')
STANDARD_CLAIMS = (
    *("iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr"),
    *("name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture"),
    *("website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number"),
    *("phone_number_verified", "address", "updated_at"),
)
"""OpenID Connect Core §2, §5.1."""


@dataclass(frozen=True, slots=True)
class Agent(AsClient):
    """The OAuth agent: logs the users of a single-page app in at `/oauth-agent/…`, and keeps their tokens in sealed
    cookies, so that the page never sees one. Needs `keys` and `trusted_web_origins` in `[session]`. It runs in one
    process of its own, since what it remembers for a short time (refreshes, logouts) is in that process's memory; in
    several, or on Lambda, with a `state` that they share."""

    listen: str = setting(OPTIONAL_ADDRESS, "")
    """Where `phantomgate serve` listens for the agent: `"127.0.0.1:9092"` or `"unix:/run/phantomgate-agent.sock"`, for
    your gateway to pass `/oauth-agent/` on to. Empty: it isn't served (it can be mounted in an ASGI app)."""
    processes: int = setting(number(1, 256), 1)
    """In how many processes the agent is served in all, on all machines. More than one need a `state` that they
    share, and are refused without."""
    state: str = setting(_STATE, "memory")
    """Where the agent remembers which logins were used, which refreshes are under way and which sessions are over:
    `"memory"`, in its one process; `"redis"`, in the store of `[redis]`, which must not evict; `"dynamodb:TABLE"`, with
    AWS's credentials from the environment, as Lambda sets them. The last two are for several processes, and Lambda."""
    issuer: str = setting(ISSUER, "")
    """The OpenID provider, exactly as it writes its `iss`: `"https://as.example"`. Required."""
    endpoint: str = setting(_ENDPOINT, "")
    """The token endpoint. Empty: found in the metadata of `issuer`, as every endpoint here that is."""
    authorization_endpoint: str = setting(_ENDPOINT, "")
    """Where browsers are sent to log in."""
    par_endpoint: str = setting(_ENDPOINT, "")
    """Where login requests are pushed (RFC 9126)."""
    userinfo_endpoint: str = setting(_ENDPOINT, "")
    """Who is asked for `/userInfo`."""
    revocation_endpoint: str = setting(_ENDPOINT, "")
    """Where tokens are taken back at logout (RFC 7009)."""
    end_session_endpoint: str = setting(_ENDPOINT, "")
    """Where browsers are sent to log out."""
    keys: str = setting(_KEYS, "")
    """Where the keys are that ID tokens and logout tokens are signed with. With `keys`, `endpoint` and
    `authorization_endpoint` written here, the metadata is not asked for."""
    algorithms: tuple[str, ...] = setting(ALGORITHMS_USED, ["RS256"])
    """What ID tokens and logout tokens may be signed by."""
    discovery: tuple[str, ...] = setting(FORMS, ["openid", "oauth"])
    """Where the metadata is looked for, in this order, as for `[[issuers]]`."""
    endpoint_origins: tuple[str, ...] = setting(_ORIGINS, [])
    """Where else than at the issuer's own origin its metadata may place its endpoints."""
    timeout: float = setting(duration("10ms", "60s"), "5s")
    """How long one call to the provider may take."""
    scope: tuple[str, ...] = setting(SCOPES, ["openid"])
    """What is asked for at login. Many providers give a refresh token only with `offline_access`."""
    redirect_uri: str = setting(_PAGE, "")
    """The page that the provider sends the browser back to, as it is registered there; that page then calls
    `/oauth-agent/login/end`. Required."""
    post_logout_redirect_uri: str = setting(_PAGE, "")
    """The page that the provider sends the browser to after a logout, as it is registered there."""
    return_to: tuple[str, ...] = setting(RETURN_TO, ["/"])
    """Where a login may lead in the end (`returnTo`): paths of the page's own origin, with all below it where one ends
    in `/`, and whole URLs. What isn't one of these is dropped."""
    extra_params: tuple[str, ...] = setting(list_of(page_parameter(), want='["prompt", "ui_locales"]'), [])
    """The parameters that a page may add to a login (`extraParams`). Those that protect a login can't be named."""
    claims: tuple[str, ...] = setting(list_of(CLAIM, want='["sub", "name"]'), list(STANDARD_CLAIMS))
    """The claims that pages are told by `/claims` and `/userInfo`, if they are there; no others."""
    par: str = setting(choice("auto", "always", "never"), "auto")
    """Whether login requests are pushed: `auto`, where the provider says that it takes them."""
    max_age: float = setting(duration("1m", "8760h"), "24h")
    """The longest that a session lasts from its login, however often it is refreshed. When it is raised, sessions that
    have begun by then, or within an hour, last as long as it was."""
    refresh_window: float = setting(duration("0s", "5m"), "30s")
    """For how long a tab that comes with the refresh cookie of before is given the same new tokens. Longer forgives
    slower networks; the provider's own detection of stolen refresh tokens begins after it."""
    id_token_hint: bool = setting(SWITCH, False)
    """Put the ID token into the address where the browser logs out, for providers that don't log out without it. The
    page sees that address, and so the ID token."""
