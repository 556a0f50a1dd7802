"""What the settings of [agent] say together, and beside others.

Rule: as `checks`. Without the section nothing is missing in it; with it, whatever would leave a login unprotected, or
some users without their session, is a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from phantomgate.config.asking_checks import IN_THE_CLEAR, missing, problems_of_token_client
from phantomgate.config.kinds import found
from phantomgate.config.network import insecure, read_address
from phantomgate.config.settings import Settings
from phantomgate.oauth.urls import check_issuer, split_url

_ENDPOINTS = (
    "endpoint",
    "authorization_endpoint",
    "par_endpoint",
    "userinfo_endpoint",
    "revocation_endpoint",
    "end_session_endpoint",
    "keys",
)


def problems_of_agent(settings: Settings, unread: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """(setting, what is wrong with it and how to mend it) for everything about [agent] that is."""
    if not settings.has_agent:
        return
    for name, also, check in _CHECKS:
        if not any(f"agent.{one}" in unread or one in unread for one in (name, *also)):
            text = check(settings)
            if text:
                yield f"agent.{name}", text
    # A public client could be played by anybody (OAuth 2.0 for Browser-Based Apps §6.1)
    yield from problems_of_token_client("agent", settings.agent, unread)
    for name in _ENDPOINTS:
        url: str = getattr(settings.agent, name)
        private = not url or url.startswith("file:") or settings.agent.allow_insecure_http or not insecure(url)
        if not private and f"agent.{name}" not in unread:
            yield f"agent.{name}", IN_THE_CLEAR


LEAST_WINDOW = 2.0
"""Seconds for which an answer is given again, at least, where several processes ask for it."""


def discovers(settings: Settings) -> bool:
    """Whether the provider's metadata is needed."""
    asked = settings.agent
    return not (asked.endpoint and asked.authorization_endpoint and asked.keys)


def _issuer_is_there(settings: Settings) -> str:
    asked = settings.agent
    if not asked.issuer:
        return missing("agent", "issuer", "https://as.example")
    if not discovers(settings):
        return ""
    try:
        check_issuer(asked.issuer, allow_insecure_http=asked.allow_insecure_http)
    except ValueError as no:
        return f"{no}; its metadata can't be found by it: write https://, or say where its endpoints are"
    return ""


def _client_is_there(settings: Settings) -> str:
    return "" if settings.agent.client_id else missing("agent", "client_id", "single-page-app")


def _page_is_there(settings: Settings) -> str:
    page = settings.agent.redirect_uri
    if not page:
        return missing("agent", "redirect_uri", "https://www.example.com/")
    if insecure(page) and not settings.agent.allow_insecure_http:
        return "is http, so that whoever is on the way could take the code; write https://"
    origin = str(split_url(page)[0])
    if origin not in settings.session.trusted_web_origins:
        return f'is a page of {origin}, which session.trusted_web_origins doesn\'t name, so that its login could never \
end; write trusted_web_origins = ["{origin}"] under [session]'
    return ""


def _cookies_are_sealed(settings: Settings) -> str:
    if settings.session.keys:
        return ""
    return 'needs keys under [session] to seal its cookies with; write keys = ["file:PATH"] there (phantomgate keygen \
makes one)'


def shares_state(settings: Settings) -> bool:
    """Whether what the agent remembers is where other processes of it see it."""
    return settings.agent.state != "memory"


def _one_process(settings: Settings) -> str:
    if settings.agent.processes == 1 or shares_state(settings):
        return ""
    return f"is {settings.agent.processes}, and what the agent remembers is in the memory of one process: in another, \
a refresh would be done twice, which providers take for theft, and a session that was ended would live on; write \
processes = 1, or a state that they share"


def _redis_is_there(settings: Settings) -> str:
    if settings.agent.state != "redis" or settings.redis.nodes:
        return ""
    return 'is "redis", and there is none; write nodes under [redis]'


def _others_get_the_answer(settings: Settings) -> str:
    """Without it, a tab whose request another process takes would show the same refresh token again."""
    asked = settings.agent
    if not shares_state(settings) or asked.refresh_window >= LEAST_WINDOW:
        return ""
    return f"is {asked.refresh_window:g} s, in which other processes can't get the answer of a refresh under way, and \
would refresh again; write {LEAST_WINDOW:g}s or more"


def _listens_apart(settings: Settings) -> str:
    asked, serve = settings.agent.listen, settings.serve
    if not asked or (not read_address(asked).unix and read_address(asked).port == 0):
        return ""
    others = [("serve.listen", serve.listen), ("serve.manage", serve.manage)]
    others += [("split_tokens.listen", settings.split_tokens.listen)] if settings.splits else []
    others += [("revocation.listen", settings.revocation.listen)] if settings.revokes else []
    for name, other in others:
        if read_address(asked) == read_address(other):
            return f"is the address of {name} too; choose another"
    return ""


def _algorithms_are_there(settings: Settings) -> str:
    return "" if settings.agent.algorithms else 'is empty; write algorithms = ["RS256"]'


def _discovery_is_there(settings: Settings) -> str:
    if settings.agent.discovery or not discovers(settings):
        return ""
    return 'is empty; write discovery = ["openid", "oauth"]'


def _par_has_a_place(settings: Settings) -> str:
    asked = settings.agent
    if asked.par != "always" or asked.par_endpoint or discovers(settings):
        return ""
    return f"is {found(asked.par)}, and there is no par_endpoint; write it"


_CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Settings], str]], ...] = (
    ("issuer", ("endpoint", "authorization_endpoint", "keys"), _issuer_is_there),
    ("client_id", (), _client_is_there),
    ("redirect_uri", ("session.trusted_web_origins",), _page_is_there),
    ("listen", ("session.keys",), _cookies_are_sealed),
    ("listen", ("serve.listen", "serve.manage", "split_tokens.listen", "revocation.listen"), _listens_apart),
    ("processes", ("state",), _one_process),
    ("state", ("redis.nodes",), _redis_is_there),
    ("refresh_window", ("state",), _others_get_the_answer),
    ("algorithms", (), _algorithms_are_there),
    ("discovery", (), _discovery_is_there),
    ("par", ("par_endpoint",), _par_has_a_place),
)
"""(the setting that is blamed, the others it looks at, the check)."""


def agent_warnings(settings: Settings) -> Iterator[tuple[str, str]]:
    """(setting, what will happen and what to write instead)."""
    asked = settings.agent
    if not settings.has_agent:
        return
    if "openid" not in asked.scope:
        yield (
            "agent.scope",
            'lacks "openid": no ID token says who has logged in, and /claims and /userInfo refuse everybody; add it',
        )
    if asked.allow_insecure_http:
        yield (
            "agent.allow_insecure_http",
            "is true, so our secret and every token may cross the network in the clear; leave it out in production",
        )
    if asked.id_token_hint:
        yield "agent.id_token_hint", "is true: pages see the ID token in the address where the browser logs out"
    if shares_state(settings) and not settings.redis.nodes:
        yield (
            "agent.state",
            (
                f'is "{asked.state}" and there is no [redis], so no gateway hears of a logout: access tokens of a '
                "session that has ended are let in for cache.max_age of the gateways, JWTs that they verify until "
                "their own exp; write nodes and secret of the gateways' [redis], or keep those times short"
            ),
        )
    if any(one.mode == "verify" for one in settings.issuers):
        yield (
            "agent.max_age",
            (
                "and logouts end sessions at the agent; JWTs that [[issuers]] verifies are let in until their own exp: "
                "have the provider issue short ones, or introspect them"
            ),
        )
