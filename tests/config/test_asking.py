"""[introspection] and every [[issuers]].introspection follow one set of rules: who we are, what is signed, no JWT."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from joserfc import jwt as jose
from joserfc.jwk import ECKey, RSAKey

from certificates import Authority
from issuing import ISS, key_reply, metadata, signed
from phantomgate.backends.blocking import finish
from phantomgate.config.checks import problems_between
from phantomgate.config.family import back_ends
from phantomgate.config.referred import unmet
from phantomgate.config.settings import Introspection, IssuerRule, Mint, Policy, RouteRule, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Reason
from phantomgate.core.model import Allow, Headers, Refuse, Request
from phantomgate.oauth.unverified import read_claims
from phantomgate.testing import FakeHttp, reply
from tokens import NOW, jwt

OTHER = "https://other.example"
KEY, KEY_OF_OTHER = (RSAKey.generate_key(2048, {"kid": kid}) for kid in ("r1", "r2"))
CLIENT_KEY = ECKey.generate_key("P-256")
ENVIRON = {
    "SECRET": "s",
    "KEY": CLIENT_KEY.as_pem(private=True).decode(),
    "MINT": ECKey.generate_key("P-256").as_pem(private=True).decode(),
    "JUNK": "canary",
}
CLIENT = Introspection(client_id="gateway", client_secret="env:SECRET")
BY_KEYS = {"audiences": ("api",), "algorithms": ("ES256",), "keys": f"{ISS}/keys"}
MINT = Mint(("env:MINT",), "https://gateway.example", "orders")
FACTS = {"active": True, "sub": "ann", "client_id": "spa", "scope": "read", "exp": NOW + 60}


def rule(issuer=ISS, name="main", mode="introspect", rules=None, **asked):
    return IssuerRule(name=name, issuer=issuer, mode=mode, introspection=replace(CLIENT, **asked), **(rules or {}))


def signed_rule(issuer=ISS, name="main", **more):
    return rule(issuer, name, answer="signed", keys=f"{issuer}/answer-keys", **more)


def statement(issuer, key, aud="gateway"):
    claims = {"iss": issuer, "aud": aud, "iat": NOW, "token_introspection": FACTS}
    text = jose.encode({"alg": "RS256", "kid": key.kid, "typ": "token-introspection+jwt"}, claims, key)
    return reply(200, text, content_type="application/token-introspection+jwt")


def public(key):
    return reply(200, json.dumps({"keys": [key.as_dict(private=False)]}), content_type="application/json")


def json_facts(**more):
    return reply(200, json.dumps({**FACTS, **more}), content_type="application/json")


def gate(clock, settings, **places):
    """A gateway, and the network it asks, where each issuer has metadata."""
    world = {
        f"{ISS}/.well-known/oauth-authorization-server": metadata(),
        f"{OTHER}/.well-known/oauth-authorization-server": metadata(OTHER),
        f"{ISS}/keys": key_reply("k1"),
        f"{ISS}/answer-keys": public(KEY),
        f"{OTHER}/answer-keys": public(KEY_OF_OTHER),
        f"{ISS}/introspect": places.get("main", reply(404)),
        f"{OTHER}/introspect": places.get("other", reply(404)),
    }
    http = FakeHttp(lambda call: world.get(call.url, reply(404)))
    wired = wire(settings, environ=ENVIRON, write=places.get("write", str), now=clock.now, ticks=clock.ticks, http=http)
    return wired, http


def ask(wired, token="t0ken", path="/"):
    return finish(wired.gateway.decide(Request("GET", path, Headers.of([("Authorization", f"Bearer {token}")]))))


def asked_of(http, endpoint):
    return [call for call in http.calls if call.url == endpoint]


# -- who we are --------------------------------------------------------------------------------------------------


def test_each_issuer_knows_us_in_its_own_way(clock):
    keyed = rule(client_auth="private_key_jwt", client_secret="", client_key="env:KEY")
    bearing = rule(OTHER, "other", client_auth="bearer")
    routes = (RouteRule("/a", issuer="main"), RouteRule("/b", issuer="other"))
    settings = Settings(issuers=(keyed, bearing), routes=routes)
    answers = {"main": reply(200, jwt(), content_type="application/jwt")}
    answers["other"] = reply(200, jwt(iss=OTHER), content_type="application/jwt")
    wired, http = gate(clock, settings, **answers)

    assert isinstance(ask(wired, path="/a"), Allow)
    assert isinstance(ask(wired, path="/b"), Allow)

    [first] = asked_of(http, f"{ISS}/introspect")
    [second] = asked_of(http, f"{OTHER}/introspect")
    form = {name: value[0] for name, value in parse_qs(first.body.decode()).items()}
    claims = jose.decode(form["client_assertion"], CLIENT_KEY, algorithms=["ES256"]).claims
    assert (claims["sub"], claims["aud"]) == ("gateway", ISS)  # the issuer, never an endpoint that metadata names
    assert "Authorization" not in dict(first.headers)
    assert ("Authorization", "Bearer s") in second.headers
    assert b"client_assertion" not in second.body


def test_a_certificate_is_for_its_issuer_alone(clock, tmp_path):
    authority = Authority(tmp_path)
    ours = [str(authority.issue(name)) for name in ("one", "two")]
    settings = Settings(introspection=replace(CLIENT, endpoint="https://as.example/"))
    one, two = ((path, "") for path in ours)
    http = back_ends(settings, "blocking", clock.ticks, None).http

    assert http("a", "", one, 1) is http("a", "", one, 1)
    assert 3 == len({id(http("a", "", shown, 1)) for shown in (one, two, None)})


def test_the_certificate_of_an_issuer_is_in_every_client_for_it(clock, tmp_path):
    ours = str(Authority(tmp_path).issue("gateway"))
    tls = {"client_auth": "tls_client_auth", "client_secret": "", "client_certificate_file": ours}
    issuers = (rule(endpoint=f"{ISS}/introspect", **tls), rule(OTHER, "other", endpoint=f"{OTHER}/introspect"))
    assert [] == list(problems_between(Settings(issuers=issuers)))
    wired = wire(Settings(issuers=issuers), environ=ENVIRON, write=print, now=clock.now, ticks=clock.ticks)

    shown, plain = (one.resolver.inner for one in wired.gateway.resolver.issuers)
    assert shown.http is not plain.http
    assert ("client_id", "gateway") in shown.client.params
    assert () == shown.client.headers
    finish(wired.close())


# -- signed answers ----------------------------------------------------------------------------------------------


def test_signed_answers_of_each_issuer_are_opened_by_its_own_keys(clock):
    routes = (RouteRule("/a", issuer="main"), RouteRule("/b", issuer="other"))
    settings = Settings(issuers=(signed_rule(), signed_rule(OTHER, "other")), routes=routes, mint=MINT)
    wired, _ = gate(clock, settings, main=statement(ISS, KEY), other=statement(OTHER, KEY))

    decision = ask(wired, path="/a")
    assert isinstance(decision, Allow)
    assert ("main", "") == (decision.token.issuer, decision.token.jwt)
    assert MINT.issuer == read_claims(decision.upstream.jwt)["iss"]
    refused = ask(wired, path="/b")
    assert isinstance(refused, Refuse)
    assert Reason.BAD_ANSWER is refused.reason


def test_a_signed_answer_of_another_issuer_or_for_another_client_is_none(clock):
    for answer in (statement(OTHER, KEY), statement(ISS, KEY, aud="somebody"), reply(200, json.dumps(FACTS))):
        wired, _ = gate(clock, Settings(issuers=(signed_rule(),), mint=MINT), main=answer)
        assert Reason.BAD_ANSWER is ask(wired).reason


def test_a_wrapper_token_is_verified_and_its_answer_is_signed_each_by_other_keys(clock):
    rules = {"audiences": ("api",), "algorithms": ("ES256",)}
    wired, http = gate(
        clock, Settings(issuers=(signed_rule(mode="both", rules=rules),), mint=MINT), main=statement(ISS, KEY)
    )

    decision = ask(wired, signed(aud=None))
    assert Reason.WRONG_AUDIENCE is decision.reason  # what the answer doesn't say of `aud`, nobody said
    answer = jose.encode(
        {"alg": "RS256", "kid": "r1", "typ": "token-introspection+jwt"},
        {"iss": ISS, "aud": "gateway", "iat": NOW, "token_introspection": {**FACTS, "aud": "api"}},
        KEY,
    )
    http.answer = {
        f"{ISS}/.well-known/oauth-authorization-server": metadata(),
        f"{ISS}/keys": key_reply("k1"),
        f"{ISS}/answer-keys": public(KEY),
        f"{ISS}/introspect": reply(200, answer, content_type="application/token-introspection+jwt"),
    }
    places = http.answer
    http.answer = lambda call: places[call.url]
    decision = ask(wired, signed(aud=None, jti="2"))
    assert isinstance(decision, Allow)
    assert "ann" == read_claims(decision.upstream.jwt)["sub"]


def test_an_encrypted_answer_is_wanted_where_its_issuer_has_our_key(clock):
    settings = Settings(issuers=(signed_rule(decryption_key="env:KEY"),), mint=MINT)
    wired, _ = gate(clock, settings, main=statement(ISS, KEY))
    assert Reason.BAD_ANSWER is ask(wired).reason


def test_answer_keys_that_can_t_be_had_are_told_from_the_issuer_s_other_keys(clock):
    lines: list = []
    settings = Settings(issuers=(replace(signed_rule(), issuer=f"{ISS}/none"),), mint=MINT)
    one = replace(settings.issuers[0].introspection, endpoint=f"{ISS}/introspect", keys=f"{ISS}/none/answer-keys")
    settings = replace(settings, issuers=(replace(settings.issuers[0], introspection=one),))
    wired, _ = gate(clock, settings, main=statement(ISS, KEY), write=lines.append)
    assert isinstance(ask(wired), Refuse)
    [line] = [line for line in lines if line.event == "issuer_not_refreshed"]
    assert ("main", "answer keys") == (line.fields["issuer"], line.fields["what"])


# -- the JWT in an answer, verified ------------------------------------------------------------------------------


def phantom(text, **more):
    facts = {"active": True, **more, "phantom_token": text} if more else text
    return reply(
        200, json.dumps(facts) if more else text, content_type="application/json" if more else "application/jwt"
    )


VERIFIED = rule(verify="signature", algorithms=("ES256",))  # its keys are found in the metadata


@pytest.mark.parametrize("more", [{}, {"sub": "ann", "aud": ["api"], "exp": NOW + 3600}])
def test_the_jwt_of_an_answer_goes_upstream_when_its_issuer_signed_it(clock, more):
    wired, http = gate(clock, Settings(issuers=(VERIFIED,)), main=phantom(signed(), **more))
    for _ in range(2):
        assert signed().split(".")[:2] == ask(wired).upstream.jwt.split(".")[:2]
    assert 1 == len(asked_of(http, f"{ISS}/introspect"))
    assert 1 == len(asked_of(http, f"{ISS}/keys"))


@pytest.mark.parametrize(
    "answer",
    [
        phantom(jwt()),
        phantom(signed("k9", header={"alg": "ES256", "kid": "k1"})),
        phantom(signed("k9", header={"alg": "ES256", "kid": "k9"})),
        phantom(signed(iss=OTHER)),
        phantom(signed(header={"alg": "ES256", "kid": "k1", "typ": "logout+jwt"})),
        phantom(signed(), sub="bob"),
        phantom(signed(), exp=NOW + 60),
        json_facts(),
    ],
    ids=["unsigned", "forged", "unknown key", "another's", "a logout token", "another sub", "another exp", "no JWT"],
)
@pytest.mark.parametrize("mint", [Mint(), MINT], ids=["", "minting"])
def test_any_other_answer_is_the_server_s_fault(clock, answer, mint):
    wired, _ = gate(clock, Settings(issuers=(VERIFIED,), mint=mint), main=answer)
    for _ in range(2):
        decision = ask(wired)
        assert (Reason.BAD_ANSWER, 502) == (decision.reason, decision.reason.status)


def test_what_is_wrong_with_the_token_itself_is_still_the_token_s_fault(clock):
    for answer, reason in [
        (phantom(signed(exp=NOW)), Reason.EXPIRED),
        (phantom(signed(cnf={"jkt": "x"})), Reason.BOUND_TOKEN),
        (reply(204), Reason.INACTIVE),
        (reply(200, json.dumps({"active": False}), content_type="application/json"), Reason.INACTIVE),
    ]:
        wired, _ = gate(clock, Settings(issuers=(VERIFIED,)), main=answer)
        assert reason is ask(wired).reason


def test_without_keys_nothing_goes_upstream(clock):
    wired, http = gate(clock, Settings(issuers=(VERIFIED,)), main=phantom(signed()))
    world = http.answer
    http.answer = lambda call: reply(503) if call.url == f"{ISS}/keys" else world(call)
    assert Reason.UNAVAILABLE is ask(wired).reason


def test_a_key_that_is_new_is_looked_for_once(clock):
    wired, http = gate(clock, Settings(issuers=(VERIFIED,)), main=phantom(signed()))
    assert isinstance(ask(wired), Allow)
    world = http.answer
    turned = {f"{ISS}/keys": key_reply("k2"), f"{ISS}/introspect": phantom(signed("k2"))}
    http.answer = lambda call: turned.get(call.url) or world(call)
    assert isinstance(ask(wired, "another"), Allow)
    assert 2 == len(asked_of(http, f"{ISS}/keys"))


def test_what_was_verified_is_remembered_no_longer_than_its_keys(clock):
    wired, http = gate(clock, Settings(issuers=(VERIFIED,)), main=phantom(signed()))
    world = http.answer
    http.answer = lambda call: key_reply("k1", max_age=60) if call.url == f"{ISS}/keys" else world(call)
    assert ask(wired).token.fresh_until == clock.ticks() + 60


def test_an_issuer_whose_wrappers_are_verified_has_one_key_set_for_both(clock):
    one = rule(verify="signature", mode="both", rules=BY_KEYS)
    wired, _ = gate(clock, Settings(issuers=(one,)), main=phantom(signed(jti="inner")))
    assert "inner" == read_claims(ask(wired, signed()).upstream.jwt)["jti"]
    wired, _ = gate(clock, Settings(issuers=(one,)), main=phantom(jwt()))
    assert Reason.BAD_ANSWER is ask(wired, signed()).reason


def test_the_server_of_introspection_may_be_held_to_it_too(clock):
    asked = replace(CLIENT, endpoint=f"{ISS}/introspect", issuer=ISS, verify="signature", keys=f"{ISS}/keys")
    settings = Settings(introspection=replace(asked, algorithms=("ES256",)))
    assert isinstance(ask(gate(clock, settings, main=phantom(signed()))[0]), Allow)
    assert Reason.BAD_ANSWER is ask(gate(clock, settings, main=phantom(jwt()))[0]).reason


# -- without a JWT -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mint", "reason"), [(MINT, None), (Mint(), Reason.BAD_ANSWER)])
def test_json_without_a_jwt_is_enough_where_we_mint(clock, mint, reason):
    wired, _ = gate(clock, Settings(issuers=(rule(answer="json"),), mint=mint), main=json_facts())
    decision = ask(wired)
    assert reason is getattr(decision, "reason", None)
    assert bool(mint.keys) == bool(wired.published)


def test_a_jwt_that_was_verified_goes_upstream_as_one_of_ours(clock):
    one = IssuerRule(name="main", issuer=ISS, audiences=("api",), algorithms=("ES256",))
    wired, _ = gate(clock, Settings(issuers=(one,), mint=MINT, policy=Policy(scopes=("read",))))
    token = signed()
    for _ in range(2):  # verified, and remembered
        decision = ask(wired, token)
        assert (token, MINT.issuer) == (decision.token.jwt, read_claims(decision.upstream.jwt)["iss"])


# -- problems ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "mint", "blamed"),
    [
        (rule(client_auth="private_key_jwt", client_secret="", client_key="env:KEY"), Mint(), []),
        (rule(client_auth="private_key_jwt", client_secret=""), Mint(), ["introspection.client_key"]),
        (rule(client_key="env:KEY"), Mint(), ["introspection.client_key"]),
        (rule(client_auth="bearer", client_secret=""), Mint(), ["introspection"]),
        (
            rule(client_auth="tls_client_auth", client_secret="", endpoint=f"{ISS}/i"),
            Mint(),
            ["introspection.client_certificate_file"],
        ),
        (
            rule(client_auth="tls_client_auth", client_secret="", client_certificate_file="c.pem"),
            Mint(),
            ["introspection.endpoint"],
        ),
        (rule(client_certificate_key_file="k.pem"), Mint(), ["introspection.client_certificate_file"]),
        (signed_rule(), MINT, []),
        (signed_rule(), Mint(), ["introspection.answer"]),
        (rule(answer="signed"), MINT, []),  # found in the metadata
        (rule(answer="signed", endpoint=f"{ISS}/i"), MINT, ["introspection.keys"]),
        (rule(verify="signature"), Mint(), []),
        (rule(verify="signature", endpoint=f"{ISS}/i"), Mint(), ["introspection.keys"]),
        (rule(verify="signature", endpoint=f"{ISS}/i", keys=f"{ISS}/k"), Mint(), []),
        (rule(verify="signature", endpoint=f"{ISS}/i", mode="both", rules=BY_KEYS), Mint(), []),
        (rule(verify="signature", answer="signed"), MINT, ["introspection.verify"]),
        (rule(keys=f"{ISS}/k"), Mint(), ["introspection.keys"]),
        (rule(answer="signed", keys="http://as.example/keys"), MINT, ["introspection.keys"]),
        (rule(decryption_key="env:KEY"), Mint(), ["introspection.decryption_key"]),
        (rule(decryption_key="env:KEY", verify="signature"), Mint(), ["introspection.decryption_key"]),
        (rule(algorithms=()), Mint(), ["introspection.algorithms"]),
    ],
)
def test_each_issuer_has_what_its_way_of_asking_needs(one, mint, blamed):
    found = [name for name, _ in problems_between(Settings(issuers=(one,), mint=mint))]
    assert [f"issuers[1].{name}" for name in blamed] == found


def test_what_is_missing_is_said_to_be_missing_below_the_issuer():
    [(_, text)] = problems_between(Settings(issuers=(rule(answer="signed", endpoint=f"{ISS}/i"),), mint=MINT))
    assert 'write keys = "https://as.example/jwks" under [issuers.introspection] below this issuer' in text


def test_a_certificate_needs_an_endpoint_that_is_written_for_introspection_too():
    tls = replace(CLIENT, client_auth="tls_client_auth", client_secret="", client_certificate_file="c.pem", issuer=ISS)
    assert ["introspection.endpoint"] == [name for name, _ in problems_between(Settings(introspection=tls))]


def test_our_name_is_that_of_no_issuer():
    settings = Settings(issuers=(rule(answer="json"),), mint=replace(MINT, issuer=ISS))
    assert ["mint.issuer"] == [name for name, _ in problems_between(settings)]


@pytest.mark.parametrize(
    ("one", "name", "text"),
    [
        (
            rule(client_auth="private_key_jwt", client_secret="", client_key="env:JUNK"),
            "client_key",
            "variable JUNK, which holds no key",
        ),
        (rule(client_auth="client_secret_jwt"), "client_secret", "want at least 32"),
        (signed_rule(decryption_key="env:JUNK"), "decryption_key", "variable JUNK, which holds no key"),
        (rule(client_certificate_file="/nowhere.pem"), "client_certificate_file", "which can't be used"),
        (rule(ca_file="/nowhere.pem"), "ca_file", "which can't be used"),
    ],
)
def test_what_an_issuer_s_client_refers_to_is_read_at_start_and_never_shown(one, name, text):
    [problem] = unmet(Settings(issuers=(one,), mint=MINT), ENVIRON)
    assert f"issuers[1].introspection.{name}" == problem.setting
    assert text in problem.message
    assert "canary" not in problem.message
