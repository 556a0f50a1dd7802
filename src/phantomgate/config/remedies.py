"""What to do about a refusal, for the person who runs the gateway: shown by `check` and `explain`, never to a client.

Rule: one line a remedy, found by the reason and a piece of its detail; the first that fits is the one.
"""

from __future__ import annotations

from collections.abc import Mapping

from phantomgate.core.errors import Reason


def remedy(reason: Reason, detail: str) -> str:
    """What to look at, and what to change."""
    return next(text for piece, text in _REMEDIES[reason] if piece in detail.lower())


_REMEDIES: Mapping[Reason, tuple[tuple[str, str], ...]] = {
    # the authorization server can't be asked
    Reason.UNAVAILABLE: (
        (
            "the agent's state in",
            (
                "Every process of the agent needs it, and refuses without: is it there, does it know us, does it keep "
                "what it is told? See agent.state."
            ),
        ),
        (
            "not asked",
            (
                "Its breaker is open, because of the failures that are named here: mend those; it is tried again by "
                "itself, every half minute at the latest."
            ),
        ),
        (
            "no address for",
            (
                "The name can't be resolved from here: check the spelling of introspection.endpoint, and DNS on this "
                "machine."
            ),
        ),
        (
            "no connection to",
            (
                "Nobody accepts connections there: is the authorization server up, is the port right, is a firewall "
                "between?"
            ),
        ),
        (
            "certificate has expired",
            (
                "The server must be given a new certificate; nothing here can be set instead. If it is still good "
                "elsewhere, compare this machine's clock."
            ),
        ),
        ("certificate is not yet valid", "This machine's clock is behind, or the server has its certificate too soon."),
        ("wrong_version_number", "TLS is not spoken at this port: is the endpoint http, or its https on another port?"),
        (
            "no tls",
            (
                "The server's certificate must be valid for the name in introspection.endpoint and come from an "
                "authority that is trusted here; for a private one, write introspection.ca_file. Verification can't "
                "be turned off."
            ),
        ),
        (
            "gave no whole answer within",
            (
                "The server is too slow, or a firewall drops the packets: try the endpoint with curl from this "
                "machine, or raise introspection.timeout."
            ),
        ),
        (
            "closed the connection",
            (
                "The server, or something between, hangs up: does the endpoint begin with the right one of https and "
                "http?"
            ),
        ),
        (
            "the shared store",
            (
                "Requests are decided without it, each machine asking for itself. Is it up, and are redis.nodes, mode, "
                "password and tls right? AuthenticationError: the user or its password; ResponseError: what its ACL "
                "allows."
            ),
        ),
        ("key file", "The file that keys names must be there and readable for the user that phantomgate runs as."),
        (
            "answered 429",
            ("The server limits how often we may ask: raise the limit for this client there, or cache.max_age here."),
        ),
        ("", "The server has trouble of its own; its log says which."),
    ),
    Reason.OVERLOADED: (
        (
            "under way already",
            (
                "The server is too slow for so many new tokens: ask why, or raise introspection.max_connections if it "
                "can take more at a time."
            ),
        ),
        ("", "More calls are waiting than may: raise introspection.max_connections, or ask why it is slow."),
    ),
    Reason.PURGES_UNHEARD: (
        (
            "",
            (
                "Mend the store of [redis]: nobody is let in before it says what was purged. Where that is worse than "
                'letting a purged token in, write unheard = "serve" under [revocation], and reload.'
            ),
        ),
    ),
    # it answers, but not to us
    Reason.CLIENT_REFUSED: (
        (
            "invalid_target",
            "The server knows no such API: check exchange.audience or resource, and upstream_audience of the route.",
        ),
        (
            "unauthorized_client",
            "The client may not exchange tokens there: allow it the token-exchange grant, for these audiences.",
        ),
        ("unsupported_grant_type", "The server can't exchange tokens (RFC 8693): make the JWT here, by [mint]."),
        (
            "would not exchange",
            "The server's log says more; check what is under [exchange], scope and the kinds of token above all.",
        ),
        (
            "",
            (
                "Check introspection.client_id and what client_secret refers to; if they are right, the server wants "
                'the secret sent another way (client_auth: "basic", "post" ...), an assertion for another audience '
                "(assertion_audience), or the client may not introspect there."
            ),
        ),
    ),
    # it answers something else
    Reason.BAD_ANSWER: (
        (
            "letter by letter",
            "Write issuer exactly as the server's metadata has it; a slash at the end is part of it.",
        ),
        (
            "endpoint_origins",
            (
                "If that origin is the issuer's own affair, name it in endpoint_origins; our secret and the tokens go "
                "there."
            ),
        ),
        (
            "publishes no metadata",
            (
                "Is the issuer right? If it publishes none, write where its endpoints are: keys, and endpoint under "
                "introspection."
            ),
        ),
        ("metadata", "The issuer's metadata can't be used as it is: write keys, or endpoint under introspection."),
        (
            "keys can be used",
            "Write in algorithms what the issuer signs with; its keys must be public, for signatures, RSA from 2048.",
        ),
        ("key set", "What is there is no key set (RFC 7517 §5): check keys, or the issuer's jwks_uri."),
        (
            "content-type is",
            (
                "This is not the kind of answer that was asked for. Is introspection.endpoint the introspection "
                'endpoint? With answer = "jwt" the server must give application/jwt (the phantom token flow); else '
                'write answer = "json".'
            ),
        ),
        ("content-type fields", "Is introspection.endpoint the introspection endpoint?"),
        (
            "status 3",
            (
                "The server redirects, which we never follow: write the address it redirects to as "
                "introspection.endpoint."
            ),
        ),
        ("status ", "introspection.endpoint is probably not the introspection endpoint: check its path."),
        (
            "holds no jwt",
            (
                "The server says the token is active and gives no JWT for it. Have it answer application/jwt and "
                'write answer = "jwt", or have it put the JWT into a member phantom_token of its JSON; where it can do '
                "neither, have one made here, by [mint]."
            ),
        ),
        (
            "don't say whose token",
            (
                "The server names the user in another claim than sub: write its name as mint.subject, such as "
                '"username".'
            ),
        ),
        (
            "token-introspection+jwt",
            (
                "The server answers with a signed introspection response (RFC 9701), which is about the token and no "
                "access token; have it answer with the access token as a JWT (the phantom token flow)."
            ),
        ),
        ("is not signed", "The server must sign its JWTs; have it use RS256, ES256 or EdDSA."),
        ("`iss`", "introspection.issuer must be exactly what the server writes as iss."),
        (
            "never issued",
            ("An endpoint that calls any token active protects nothing: is it the introspection endpoint, or a stub?"),
        ),
        ("exchanged for", "The server must exchange tokens for a JWT with exp that is bound to nothing."),
        (
            "issued_token_type",
            "The server gave another kind of token than one to use: check exchange.requested_token_type.",
        ),
        ("jwt to exchange", 'The facts came without a JWT: write subject_token = "presented" under [exchange].'),
        ("not http", "Something else than HTTP answers there: check the port, and https or http."),
        ("", "What came is no introspection answer; is a proxy in between that rewrites it?"),
    ),
    # the token
    Reason.INACTIVE: (
        (
            "part of a split token",
            (
                "It was never pushed here (to explain nothing ever is), was deleted, is over, or was forgotten: have "
                "the issuer push it again."
            ),
        ),
        (
            "",
            (
                "The authorization server says so: the token has expired, was revoked, was issued by another server, "
                "or is none that this client may ask about."
            ),
        ),
    ),
    Reason.EXPIRED: (
        ("exp is missing", "The server must put exp into its JWTs: a token without an end is not accepted."),
        ("", "The client must get a new token; if it just did, compare this machine's clock and the server's."),
    ),
    Reason.INVALID_TOKEN: (
        (
            "would not exchange",
            "The server's log says why it won't exchange this token: whom it is for, or what it is of, may be wrong.",
        ),
        ("key set", "The issuer signed with a key that it doesn't publish, or the token is a forgery."),
        ("alg is", "algorithms of this issuer must list what it signs with, if this is a good token."),
        ("typ is", "typ of this issuer must list what its access tokens have, if this is one."),
        ("no issuer takes opaque", 'An issuer takes opaque tokens with mode = "introspect"; see prefix too.'),
        ("signature is wrong", "The token was changed on its way, or is a forgery."),
        ("future", "Compare this machine's clock with the server's; policy.clock_skew allows for a little."),
        ("", "The server's own facts say that this token can't be used."),
    ),
    Reason.BOUND_TOKEN: (("", "The token proves possession of a key (cnf) and must not be sent as Bearer."),),
    Reason.WRONG_ISSUER: (
        ("no issuer of ours", "If this issuer is to be trusted, add it to [[issuers]], its iss letter by letter."),
        ("this route wants", "The route's issuer names the only one whose tokens it takes."),
        ("", "policy.issuers must list the iss of this token, letter by letter, if it is to be let in."),
    ),
    Reason.WRONG_AUDIENCE: (
        ("", "The token is for another API: the client must ask for this one's, or policy.audiences lacks its name."),
    ),
    Reason.INSUFFICIENT_SCOPE: (("", "The client must ask for the missing scope when it gets its token."),),
    # the request
    Reason.MISSING_CREDENTIAL: (
        ("", "The client must send Authorization: Bearer TOKEN, or a session's cookies; does your gateway pass it on?"),
    ),
    Reason.MALFORMED_REQUEST: (
        ("x-", "Your gateway must set both fields of one family, and only those; serve.source names the family."),
        ("session cookie", "A request is of a session or of a token: a page must send no Authorization field."),
        ("cookie", "The browser sends too many cookies, or one twice: clear those of this site."),
        ("preflight", "Only OPTIONS with Origin and Access-Control-Request-Method belongs to /preflight."),
        ("query", "The client must not send the token in the query as well; best nowhere but in the field."),
        ("connection names", "The client's Connection field would have a proxy drop what we judge by."),
        ("path can be", "No route is matched against a path that two servers may read in two ways."),
        ("", "The client must send one Authorization field: Bearer, a space, and the token."),
    ),
    Reason.NO_ROUTE: (("", "With [[routes]], what no route matches is refused: add one for this method and path."),),
    Reason.FORGED_REQUEST: (
        ("trusted_web_origins", "If this page is yours, add its origin to session.trusted_web_origins, as it is here."),
        ("no origin", "Browsers send Origin with these requests; does your gateway pass it on? See session.cors too."),
        ("sec-fetch-site", "The page is of another site than the API; session cookies are for pages of the same site."),
        ("no csrf cookie", "The page must log in through the OAuth agent, which sets the CSRF cookie."),
        ("no csrf header", "The page must send the CSRF token that it got from the OAuth agent in the CSRF header."),
        ("csrf cookie:", "The CSRF cookie was not sealed by a key of session.keys, for this prefix and issuer."),
        ("", "The CSRF header and cookie must be those of the session: another tab may have logged in since."),
    ),
    Reason.UNREADABLE_SESSION: (
        ("version 1", "This is a cookie of format v1; session.legacy_cookies = true reads it."),
        ("another cookie or issuer", "Agent and gateway must have the same session.keys, names of cookies and issuer."),
        ("none of our keys", "Keep an old key in session.keys, behind the new one, until its sessions have ended."),
        ("", "This is no cookie that the OAuth agent has set; the page must log in again."),
    ),
    Reason.SERVER_ERROR: (("", "This is a fault of ours: please report it with the type of the error."),),
}
"""For each reason, (what its detail holds, what to do); the last of each fits every detail."""
