"""Everything there is to find out about a server, in order, with no more calls than that needs.

Rule: no way is recommended that took a made-up token for a good one; and what is recommended has been tried once more,
as the very text that is printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from os import urandom
from time import time
from typing import NamedTuple

from phantomgate.backends.blocking import finish
from phantomgate.backends.secrets import read_secret
from phantomgate.cli.probing import survey
from phantomgate.cli.probing.given import MINT_KEY, Given
from phantomgate.cli.probing.trials import Connect, Tell, Trials, Tried, Watched
from phantomgate.cli.probing.ways import (
    MOST_REFUSED,
    RAW,
    Method,
    Shape,
    Way,
    audiences_of,
    introspections,
    methods,
    rank,
    shape,
)
from phantomgate.cli.probing.written import Seen, settings_text
from phantomgate.config.authentication import authentication
from phantomgate.config.durations import read_duration
from phantomgate.config.settings import Introspection
from phantomgate.config.vocabulary import SCOPES
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.ports import Clock
from phantomgate.oauth.algorithms import ALGORITHMS
from phantomgate.oauth.claims import read_scopes
from phantomgate.oauth.form import form_value

SHORTEST = 8
"""Characters: what is shorter can't be told from a word that happens to be the same."""

_REFUSED, _SETTINGS, _UNAVAILABLE = Reason.CLIENT_REFUSED.label, "settings", Reason.UNAVAILABLE.label


class Showing(NamedTuple):
    """A way to show who we are, and what came of it; *tried* is None where it wasn't."""

    method: Method
    tried: Tried | None = None


@dataclass(slots=True)
class Finding:
    """What was found so far. Filled in order, from top to bottom."""

    given: Given
    metadata: survey.Metadata = field(default_factory=survey.Metadata)
    keys: survey.Keys = field(default_factory=survey.Keys)
    endpoint: str = ""
    showings: list[Showing] = field(default_factory=list)
    token: str = field(default="", repr=False)
    token_trouble: Refused | None = None
    shape: Shape | None = None
    tried: list[Tried] = field(default_factory=list)
    untried: list[tuple[Way, str]] = field(default_factory=list)
    """What was not tried, and why."""
    best: Tried | None = None
    settings: str = ""
    secrets: list[str] = field(default_factory=list, repr=False)
    """What must not be printed, wherever it turns up."""

    @property
    def works(self) -> bool:
        """Whether something works; without a client and a token, whether the server says where to go on."""
        if self.best is not None:
            return True
        if self.given.client_id or self.given.token:
            return False
        return self.metadata.form is not None and bool(self.endpoint or self.keys.algorithms())


def look(given: Given, environ: Mapping[str, str], connect: Connect, tell: Tell, *, now: Clock = time) -> Finding:
    """Find out all there is. Never raises for what the server is or does."""
    finding = Finding(given, token=given.token)
    if given.client_secret:
        finding.secrets.append(read_secret(given.client_secret, environ))
    if given.token:
        finding.secrets.append(given.token)
    inner = connect(given.ca_file, (given.certificate, given.certificate_key) if given.certificate else None)
    http = Watched(inner, tell, f"for a token, as {given.client_id}")
    trials = Trials(_with_key(given, environ), connect, tell, now=now)
    try:
        tell("what it says of itself, and its keys", "")
        _survey(finding, http)
        if finding.endpoint and given.client_id:
            tell("how it knows us", "")
            _show(finding, trials)
        if given.grant and not given.token:
            _obtain(finding, http, environ, now)
    finally:
        finish(inner.close())
    _try_all(finding, trials)
    _settle(finding, trials)
    return finding


def _with_key(given: Given, environ: Mapping[str, str]) -> Mapping[str, str]:
    """*environ* with a key to mint with, where there is none yet."""
    variable = MINT_KEY.removeprefix("env:")
    if given.mint_key != MINT_KEY or variable in environ:
        return environ
    from phantomgate.backends.jose import new_signing_key

    return {**environ, variable: new_signing_key()}


def _survey(finding: Finding, http: Watched) -> None:
    given = finding.given
    finding.metadata = finish(survey.metadata(http, given))
    said = finding.metadata.said
    by_certificate = said.certificate_endpoint if given.certificate else ""
    finding.endpoint = given.endpoint or by_certificate or said.url("introspection")
    url = given.keys or said.url("keys")
    finding.keys = finish(survey.keys(http, url, read_duration(given.timeout)))


def _show(finding: Finding, trials: Trials) -> None:
    """Each way to show who we are, with a made-up token; no more refusals than a server may bear."""
    stopped = ""
    for method in methods(finding.given, finding.metadata.said.methods, raw=_differs_raw(finding)):
        if method.name == RAW and (method.why_not or any(one.tried and one.tried.works for one in finding.showings)):
            continue  # only what nothing else was good for
        if method.why_not or stopped:
            finding.showings.append(Showing(Method(method.name, method.why_not or stopped.format(method.name))))
            continue
        way = Way("introspect", method.name, "json")
        tried = trials.attempt(way, settings_text(way, finding.given, _seen(finding)))
        finding.showings.append(Showing(method, tried))
        if tried.reason == _UNAVAILABLE:
            stopped = "the server can't be asked"
        elif trials.refused >= MOST_REFUSED:
            stopped = f"{MOST_REFUSED} refusals are enough; --client-auth {{}} tries it alone"


def _differs_raw(finding: Finding) -> bool:
    """Whether a Basic credential is another one where nothing in it is encoded first, and can be sent so."""
    given = finding.given
    if not given.client_secret or ":" in given.client_id:  # all behind the colon would be the secret (RFC 7617 §2)
        return False
    return any(form_value(part) != part for part in (given.client_id, finding.secrets[0]))


def chosen(finding: Finding) -> str:
    """How we show who we are from now on: the best way that works, or else wasn't refused; empty without one."""
    unlike = (_REFUSED, _SETTINGS, _UNAVAILABLE)
    tried = [(one.method.name, one.tried) for one in finding.showings if one.tried is not None]
    good = [name for name, came in tried if came.works]
    return next(iter(good + [name for name, came in tried if not came.works and came.reason not in unlike]), "")


def _obtain(finding: Finding, http: Watched, environ: Mapping[str, str], now: Clock) -> None:
    given, endpoint = finding.given, finding.metadata.said.url("token")
    ways = [one.name for one in methods(given, finding.metadata.said.lists.get("clients by", ()))
            if not one.why_not]  # fmt: skip
    method = chosen(finding) or ("" if finding.showings else next(iter(ways), ""))
    if not endpoint or not method:
        lacking = "no way to show who we are is left" if endpoint else "the metadata has no token endpoint to call"
        finding.token_trouble = Refused(Reason.BAD_ANSWER, f"no token was asked for: {lacking}")
        return
    asked = Introspection(
        client_id=given.client_id,
        client_secret=given.client_secret,
        client_key=given.client_key,
        client_auth=method,
        assertion_audience=given.assertion_audience,
        issuer=given.issuer,
    )
    client, wrong = authentication(asked, environ, now=now, random=urandom)
    if wrong:
        finding.token_trouble = Refused(Reason.CLIENT_REFUSED, f"no token was asked for: {wrong[0][0]} {wrong[0][1]}")
        return
    try:
        token = survey.token(http, endpoint, client, given.scope, read_duration(given.timeout))
        finding.token = finish(token)
        finding.secrets.append(finding.token)
    except Refused as no:
        finding.token_trouble = no


def _try_all(finding: Finding, trials: Trials) -> None:
    given, token = finding.given, finding.token
    finding.shape = shape(token) if token else None
    _try_to_verify(finding, trials)
    method = chosen(finding)
    if not method:
        return
    if any(one.method.name == method and one.tried and one.tried.works for one in finding.showings):
        trials.refused = 0  # from now on it knows us; what it refused before was how we said it
    algorithms, dead = _signed_by(finding), False
    for way in introspections(method, signed=bool(algorithms), encrypted=bool(given.decryption_key)):
        if dead:
            finding.untried.append((way, "the server calls the token not active"))
        elif trials.refused >= MOST_REFUSED:
            finding.untried.append((way, f"{MOST_REFUSED} refusals are enough"))
        elif way.answer == "json" and not token:
            _try(finding, trials, replace(way, mint=True))  # whether a JWT would come, nobody can tell
        elif way.answer == "signed":
            _try(finding, trials, way, algorithms)
        else:
            tried = _try(finding, trials, way)
            if way.answer == "json" and "holds no JWT" in tried.detail:
                _try_to_mint(finding, trials, replace(way, mint=True))
            dead = dead or tried.reason == Reason.INACTIVE.label
    if not algorithms:
        finding.untried.append((Way("introspect", method, "signed", True), "there is no key to check it with"))


def _try_to_mint(finding: Finding, trials: Trials, way: Way) -> None:
    if "don't say whose token" in _try(finding, trials, way).detail:  # RFC 7662 §2.2 has one other name for a user
        _try(finding, trials, replace(way, subject="username"))


def _try_to_verify(finding: Finding, trials: Trials) -> None:
    way = Way("verify")
    if not finding.token:
        finding.untried.append((way, "needs a token (--token)"))
    elif finding.shape is None:
        finding.untried.append((way, "the token is no JWT"))
    elif finding.shape.why_not:
        finding.untried.append((way, finding.shape.why_not))
    elif not finding.keys.url:
        finding.untried.append((way, "nothing says where its keys are (--keys)"))
    else:
        _try(finding, trials, way)


def _try(finding: Finding, trials: Trials, way: Way, algorithms: tuple[str, ...] = ()) -> Tried:
    text = settings_text(way, finding.given, _seen(finding, way, algorithms))
    trials.tell(way.title, "")
    tried = trials.attempt(way, text, finding.token)
    algorithm = tried.answered.algorithm if tried.answered else ""
    if not tried.works and way.answer == "signed" and algorithm in ALGORITHMS and algorithms != (algorithm,):
        return _try(finding, trials, way, (algorithm,))
    if tried.jwt:
        finding.secrets.append(tried.jwt)
    finding.tried.append(tried)
    return tried


def _signed_by(finding: Finding) -> tuple[str, ...]:
    """What its signed answers may be signed by: what it says, as far as it has keys for that."""
    there = finding.keys.algorithms()
    said = [one for one in finding.metadata.said.lists.get("signed answers by", ()) if one in there]
    return tuple(said or there)


def _seen(finding: Finding, way: Way | None = None, algorithms: tuple[str, ...] = ()) -> Seen:
    metadata = finding.metadata
    seen = Seen(
        endpoint=finding.endpoint,
        keys=finding.keys.url,
        discovers=metadata.said.whole and bool(metadata.said.url("keys")) and not finding.given.keys,
        discovery=metadata.discovery,
        algorithms=algorithms,
    )
    if way is not None and way.mode == "verify" and finding.shape is not None:
        of = finding.shape
        return replace(
            seen, algorithms=(of.algorithm,), typ=of.typ, audiences=_clean(finding, of.audiences), own_keys=of.own_keys
        )
    return seen


def _clean(finding: Finding, names: Iterable[str]) -> tuple[str, ...]:
    """*names* without those in which somebody has hidden a secret of ours."""
    secrets = [secret for secret in finding.secrets if len(secret) >= SHORTEST]
    return tuple(name for name in names if not any(secret in name for secret in secrets))


def _settle(finding: Finding, trials: Trials) -> None:
    """The best that works, with what was seen of the token, tried as it will be printed."""
    for tried in sorted((one for one in finding.tried if one.works), key=lambda one: rank(one.way)):
        if tried.way.answer == "jwt" and tried.answered and tried.answered.media_type == "application/json":
            continue  # it doesn't heed what we ask for: "json" says what it does
        algorithm = tried.answered.algorithm if tried.answered else ""
        seen = _seen(finding, tried.way, (algorithm,) if algorithm else _signed_by(finding))
        scopes = [one for one in sorted(read_scopes(tried.claims)) if _is_scope(one)][:20]
        seen = replace(
            seen,
            audiences=seen.audiences or _clean(finding, audiences_of(tried.claims)),
            scopes=_clean(finding, scopes),
            tried="a real token" if finding.token else "a made-up token only; try --token too",
        )
        if _try_to_settle(finding, trials, tried, seen):
            return


def _try_to_settle(finding: Finding, trials: Trials, tried: Tried, seen: Seen) -> bool:
    """Whether it still works with all that was *seen*; the signature of the server's JWT is verified if it can be."""
    ways = [(tried.way, seen)]
    algorithm = tried.upstream.partition(",")[0]
    if tried.way.mode != "verify" and not tried.way.mint and algorithm in finding.keys.algorithms():
        ways.insert(0, (replace(tried.way, verified=True), replace(seen, algorithms=(algorithm,))))
    trials.tell("the settings to recommend, as a whole", "")
    for way, known in ways:
        text = settings_text(way, finding.given, known)
        again = trials.attempt(way, text, finding.token)
        if again.jwt:
            finding.secrets.append(again.jwt)
        if again.works:
            finding.best, finding.settings = again, text
            return True
    finding.tried[finding.tried.index(tried)] = again
    return False


def _is_scope(word: str) -> bool:
    try:
        return bool(SCOPES.read([word]))
    except ValueError:
        return False
