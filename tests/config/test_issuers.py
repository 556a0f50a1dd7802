"""Several issuers in the settings: each problem is said, and each token goes to its own issuer and is judged by it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from issuing import ISS, jwk, key_reply, key_set, metadata, signed
from phantomgate.backends.blocking import finish
from phantomgate.config.advice import warnings
from phantomgate.config.loading import Sources, draft, load
from phantomgate.config.referred import unmet
from phantomgate.config.settings import Cache, Introspection, IssuerRule, Policy, RouteRule, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Reason, Refused, SettingsError
from phantomgate.core.model import Allow, Headers, Refuse, Request
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.core.purge import Purge, mark_of
from phantomgate.resolvers.by_issuer import ByIssuer
from phantomgate.resolvers.cached import Cached
from phantomgate.testing import FakeHttp, reply
from tokens import NOW, jwt

OTHER = "https://other.example"
SECRET = "canary-7f3a"
ENVIRON = {"SECRET": SECRET}
MAIN = IssuerRule(name="main", issuer=ISS, audiences=("api",), algorithms=("ES256",))
CLIENT = Introspection(client_id="gateway", client_secret="env:SECRET")
ASKED = IssuerRule(name="asked", issuer=OTHER, mode="introspect", introspection=CLIENT)
DEFAULT = Introspection(endpoint=f"{OTHER}/introspect", client_id="gateway", client_secret="env:SECRET")


class World:
    """Two issuers on the network, each with metadata, keys and an introspection endpoint."""

    def __init__(self) -> None:
        self.http = FakeHttp(self.answer)
        self.places = {
            f"{ISS}/.well-known/oauth-authorization-server": metadata(),
            f"{ISS}/keys": key_reply("k1"),
            f"{OTHER}/.well-known/openid-configuration": metadata(OTHER),
            f"{OTHER}/keys": key_reply("k2"),
            f"{OTHER}/introspect": reply(200, jwt(iss=OTHER), content_type="application/jwt"),
            f"{ISS}/introspect": reply(200, jwt(sub="inside"), content_type="application/jwt"),
        }

    def answer(self, call: HttpCall) -> HttpReply:
        return self.places.get(call.url, reply(404))

    @property
    def asked(self) -> list[str]:
        return [call.url for call in self.http.calls]


@pytest.fixture
def world() -> World:
    return World()


def settings(*issuers: IssuerRule, **more) -> Settings:
    return Settings(issuers=issuers, **more)


def gate(clock, world, made: Settings, family="blocking", lines=None):
    return wire(
        made,
        family,
        environ=ENVIRON,
        write=(lines if lines is not None else []).append,
        now=clock.now,
        ticks=clock.ticks,
        random=lambda n: b"r" * n,
        http=world.http,
    )


def ask(wired, token: str, path: str = "/") -> Allow | Refuse:
    return finish(wired.gateway.decide(Request("GET", path, Headers.of([("Authorization", f"Bearer {token}")]))))


def reason(decision: Allow | Refuse) -> Reason | None:
    return decision.reason if isinstance(decision, Refuse) else None


# -- settings ----------------------------------------------------------------------------------------------------

GOOD = f"""
[[issuers]]
name = "main"
issuer = "{ISS}"
audiences = ["api"]
algorithms = ["ES256"]

[[issuers]]
name = "asked"
issuer = "{OTHER}"
mode = "introspect"
prefix = "o_"

[issuers.introspection]
client_id = "gateway"
client_secret = "env:SECRET"
timeout = "500ms"
"""


def read(toml: str) -> tuple[Settings, dict[str, str]]:
    made, problems = draft(Sources(toml, "gate.toml", {}))
    return made, {problem.setting: problem.message for problem in problems}


def test_issuers_are_read_each_with_its_own_client():
    made, problems = read(GOOD)
    assert {} == problems
    assert ["main", "asked"] == [one.name for one in made.issuers]
    assert MAIN == made.issuers[0]
    assert ("gateway", 0.5) == (made.issuers[1].introspection.client_id, made.issuers[1].introspection.timeout)
    assert "gate.toml" == made.origin("issuers[2].introspection.client_secret")


def test_issuers_are_read_from_a_variable_too():
    one = [{"name": "main", "issuer": ISS, "audiences": ["api"], "algorithms": ["ES256"]}]
    made = load(Sources(None, "environment", {"PHANTOMGATE__ISSUERS": json.dumps(one)}))
    assert (MAIN,) == made.issuers


@pytest.mark.parametrize(
    ("line", "name", "text"),
    [
        ('name = ""', "issuers[1].name", "call it something"),
        ('issuer = ""', "issuers[1].issuer", "write its iss"),
        ("audiences = []", "issuers[1].audiences", "let in what was made for others"),
        ("algorithms = []", "issuers[1].algorithms", "what the issuer signs with"),
        ('algorithms = ["HS256"]', "issuers[1].algorithms", "HS256"),
        ('algorithms = ["none"]', "issuers[1].algorithms", "none"),
        ('typ = ["logout+jwt"]', "issuers[1].typ", "never the type of an access token"),
        ("typ = []", "issuers[1].typ", "at+jwt"),
        ('keys = "http://as.example/keys"', "issuers[1].keys", "anybody on the way"),
        ('keys = "ftp://as.example/keys"', "issuers[1].keys", "can't be called"),
        ('keys = "file:"', "issuers[1].keys", "names no file"),
        ('jwks = "x"', "issuers[1].jwks", "want a key set"),
        ("jwks = { keys = [] }", "issuers[1].jwks", "no key that can be used"),
        ('jwks = { keys = [{ kty = "oct", k = "canary" }] }', "issuers[1].jwks", "symmetric"),
        ('jwks = { keys = [{ kty = "RSA", d = "canary" }] }', "issuers[1].jwks", "private key"),
        ('issuer = "http://as.example"', "issuers[1].issuer", "is http"),
        ('issuer = "accounts.example"', "issuers[1].issuer", "metadata can't be found"),
        ("discovery = []", "issuers[1].discovery", "is empty"),
        ('prefix = "p_"', "issuers[1].prefix", "opaque tokens"),
        ('mode = "introspect"\nalgorithms = []', "issuers[1].introspection", "no client_id and no client_secret"),
        ('mode = "introspect"', "issuers[1].algorithms", "checks nothing"),
        ('mode = "introspect"\nignored_header = ["jku"]', "issuers[1].ignored_header", "checks nothing"),
        ('ignored_header = ["kid"]', "issuers[1].ignored_header", "jku"),
        ('mode = "both"', "issuers[1].introspection", "no client_id"),
        ('endpoint_origins = ["https://keys.example/path"]', "issuers[1].endpoint_origins", "is no origin"),
        ('proof_of_possession = "dpop"', "issuers[1].proof_of_possession", "is not a setting"),
        ("introspection = 7", "issuers[1].introspection", "want a table"),
        ('introspection = { client = "x" }', "issuers[1].introspection.client", "client_id"),
        ('introspection = { client_id = "x" }', "issuers[1].introspection", "never used"),
        ('name = "asked"', "issuers[2].name", "give each its own"),
        (f'issuer = "{OTHER}"', "issuers[2].issuer", "whose a JWT is"),
    ],
)
def test_a_setting_of_an_issuer_that_can_t_be_meant_is_a_problem(line, name, text):
    own = dict(one.split(" = ", 1) for one in GOOD.split("[[issuers]]")[1].strip().splitlines())
    own |= dict(one.split(" = ", 1) for one in line.splitlines())
    first = "\n".join(f"{key} = {value}" for key, value in own.items())
    _, problems = read(f"[[issuers]]\n{first}\n[[issuers]]{GOOD.split('[[issuers]]')[2]}")
    assert text in problems[name]
    assert "canary" not in str(problems)


@pytest.mark.parametrize("name", ["keys", "algorithms"])
def test_what_an_issuer_that_is_asked_says_of_its_keys_is_of_use_where_its_answers_are_verified(name):
    own = {"keys": f'keys = "{ISS}/keys"', "algorithms": 'algorithms = ["ES256"]'}[name]
    more = 'introspection = { client_id = "x", client_secret = "env:S", verify = "VERIFY" }'
    toml = f'[[issuers]]\nname = "main"\nissuer = "{ISS}"\nmode = "introspect"\n{own}\n{more}\n'
    assert {} == read(toml.replace("VERIFY", "signature"))[1]
    assert "checks nothing" in read(toml.replace("VERIFY", "none"))[1][f"issuers[1].{name}"]


def test_a_header_that_the_issuer_puts_into_every_token_is_ignored_if_we_are_told_so(clock, world):
    token = signed(header={"alg": "ES256", "typ": "at+jwt", "kid": "k1", "jku": "https://evil.example/keys"})
    assert Reason.INVALID_TOKEN is reason(ask(gate(clock, world, settings(MAIN)), token))
    told = gate(clock, world, settings(replace(MAIN, ignored_header=("jku",))))
    assert isinstance(ask(told, token), Allow)
    assert "https://evil.example/keys" not in world.asked
    other = signed(header={"alg": "ES256", "typ": "at+jwt", "kid": "k1", "jwk": jwk("k1")})
    assert Reason.INVALID_TOKEN is reason(ask(told, other))


@pytest.mark.parametrize(("one", "other"), [("o_", "o_"), ("o_", "o_x"), ("o_x", "o_")])
def test_prefixes_that_begin_alike_are_a_problem(one, other):
    toml = GOOD.split("[[issuers]]")[2]
    second = toml.replace("asked", "more").replace(OTHER, "https://more.example").replace("o_", other)
    _, problems = read(f"[[issuers]]{toml.replace('o_', one)}[[issuers]]{second}")
    assert ["issuers[2].prefix"] == list(problems)


def test_a_route_names_an_issuer_that_is_there():
    made, problems = read(GOOD + '\n[[routes]]\npath = "/**"\nissuer = "mian"\n')
    assert "there are asked, main" in problems["routes[1].issuer"]
    assert "no [[issuers]]" in read('[[routes]]\npath = "/**"\nissuer = "main"')[1]["routes[1].issuer"]
    assert {} == read(GOOD + '\n[[routes]]\npath = "/**"\nissuer = "main"\n')[1]
    assert made.routes


def test_an_issuer_is_not_the_one_of_introspection_too():
    both = f'[introspection]\nissuer = "{ISS}"\nclient_id = "x"\nclient_secret = "env:SECRET"\n'
    assert "[introspection] too" in read(both + GOOD)[1]["issuers[1].issuer"]


@pytest.mark.parametrize("name", ["proof_of_possession", "dpop", "mtls"])
def test_proof_of_possession_is_no_setting_yet(name):
    _, problems = read(f"{GOOD}\n[policy]\n{name} = true\n")
    assert [f"policy.{name}"] == list(problems)


def test_what_can_t_be_read_is_one_problem_only():
    _, problems = read(GOOD.replace('["ES256"]', "7"))
    assert ["issuers[1].algorithms"] == list(problems)


def test_the_secret_of_each_issuer_must_be_there():
    made = load(Sources(GOOD, "gate.toml", {}))
    [problem] = unmet(made, {})
    assert "issuers[2].introspection.client_secret" == problem.setting
    with pytest.raises(SettingsError):
        wire(made, environ={})


def test_an_introspection_endpoint_is_found_by_its_issuer(clock, world):
    made = Settings(introspection=replace(CLIENT, issuer=OTHER))
    wired = gate(clock, world, made)
    assert isinstance(wired.gateway.resolver, Cached)
    assert reason(ask(wired, "t0ken")) is None
    assert f"{OTHER}/introspect" == world.asked[-1]
    assert 3 == len(world.asked)  # two forms of metadata, and the question
    assert reason(ask(wired, "t1ken")) is None
    assert 4 == len(world.asked)


@pytest.mark.parametrize("issuer", ["as.example", "http://as.example", f"{ISS}?x=y"])
def test_an_issuer_that_can_publish_nothing_needs_an_endpoint(issuer):
    toml = f'[introspection]\nissuer = "{issuer}"\nclient_id = "x"\nclient_secret = "env:SECRET"'
    assert ["introspection.endpoint"] == list(read(toml)[1])


def test_asking_each_in_order_is_warned_about():
    two = settings(ASKED, replace(ASKED, name="more", issuer="https://more.example"), policy=Policy(scopes=("read",)))
    assert ["issuers[1].prefix"] == [problem.setting for problem in warnings(two)]
    assert [] == list(warnings(settings(MAIN)))


# -- deciding ----------------------------------------------------------------------------------------------------


def test_one_default_server_is_wired_without_anything_around_it(clock, world):
    assert isinstance(gate(clock, world, Settings(introspection=DEFAULT)).gateway.resolver, Cached)
    assert isinstance(gate(clock, world, settings(MAIN)).gateway.resolver, ByIssuer)


def test_a_jwt_is_verified_by_the_keys_that_discovery_finds(clock, world, drive):
    wired = gate(clock, world, settings(MAIN))
    token = signed()
    request = Request("GET", "/", Headers.of([("Authorization", f"Bearer {token}")]))
    for source in ("signature", "memory"):
        decision = drive(wired.gateway.decide(request))
        assert isinstance(decision, Allow)
        assert ("main", source) == (decision.token.issuer, decision.token.source.value)
        assert (("Authorization", f"Bearer {token}"),) == decision.upstream.set
    assert [f"{ISS}/.well-known/oauth-authorization-server", f"{ISS}/keys"] == world.asked


def test_a_jwt_of_nobody_causes_no_call(clock, world):
    wired = gate(clock, world, settings(MAIN, ASKED))
    decision = ask(wired, signed(iss="https://evil.example"))
    assert (401, "invalid_token") == (decision.reason.status, decision.reason.error)
    assert [] == world.asked


def test_each_issuer_s_keys_are_for_its_own_tokens_only(clock, world):
    other = replace(MAIN, name="other", issuer=OTHER)
    wired = gate(clock, world, settings(MAIN, other))
    assert reason(ask(wired, signed("k1"))) is None
    assert reason(ask(wired, signed("k2", iss=OTHER))) is None
    assert reason(ask(wired, signed("k1", iss=OTHER))) is Reason.INVALID_TOKEN
    assert reason(ask(wired, signed("k2"))) is Reason.INVALID_TOKEN


def test_an_opaque_token_is_asked_about_at_its_issuer_and_judged_by_its_audiences(clock, world):
    wired = gate(clock, world, settings(MAIN, replace(ASKED, audiences=("api",))))
    decision = ask(wired, "t0ken")
    assert isinstance(decision, Allow)
    assert "asked" == decision.token.issuer
    refused = gate(clock, world, settings(MAIN, replace(ASKED, audiences=("other",))))
    for _ in range(2):  # fresh, and remembered
        assert reason(ask(refused, "t0ken")) is Reason.WRONG_AUDIENCE


def test_the_server_of_introspection_is_the_last_of_the_issuers(clock, world):
    wired = gate(clock, world, settings(MAIN, introspection=DEFAULT))
    decision = ask(wired, "t0ken")
    assert isinstance(decision, Allow)
    assert "introspection" == decision.token.issuer
    assert reason(ask(wired, signed())) is None


def test_a_wrapper_token_is_verified_then_asked_about(clock, world):
    wired = gate(clock, world, settings(replace(MAIN, mode="both", introspection=CLIENT)))
    decision = ask(wired, signed(aud=None))
    assert isinstance(decision, Allow)
    assert ("inside", jwt(sub="inside")) == (decision.token.claims["sub"], decision.token.jwt)
    before = len(world.asked)
    assert reason(ask(wired, signed("k2"))) is Reason.INVALID_TOKEN
    assert f"{ISS}/introspect" not in world.asked[before:]
    assert reason(ask(wired, "t0ken")) is Reason.INVALID_TOKEN


def test_a_route_s_issuer_alone_is_for_the_route(clock, world):
    routes = (RouteRule("/main/**", issuer="main"), RouteRule("/**"))
    wired = gate(clock, world, settings(MAIN, ASKED, routes=routes))
    assert reason(ask(wired, signed(), "/main/x")) is None
    assert reason(ask(wired, "t0ken", "/main/x")) is Reason.WRONG_ISSUER
    assert reason(ask(wired, "t0ken", "/x")) is None
    assert reason(ask(wired, "t0ken", "/main/x")) is Reason.WRONG_ISSUER


@pytest.mark.parametrize("source", ["jwks", "file"])
def test_keys_need_no_network_when_they_are_here(clock, world, source, tmp_path):
    (tmp_path / "keys.json").write_bytes(key_set("k1"))
    here = {"jwks": key_set("k1").decode()} if source == "jwks" else {"keys": f"file:{tmp_path / 'keys.json'}"}
    wired = gate(clock, world, settings(replace(MAIN, **here)))
    assert reason(ask(wired, signed())) is None
    assert reason(ask(wired, signed("k2"))) is Reason.INVALID_TOKEN
    assert finish(wired.probe()) is None
    assert [] == world.asked


def test_types_other_than_the_issuer_s_are_refused(clock, world):
    untyped = signed(header={"alg": "ES256", "kid": "k1"})
    assert reason(ask(gate(clock, world, settings(MAIN)), untyped)) is Reason.INVALID_TOKEN
    assert reason(ask(gate(clock, world, settings(replace(MAIN, typ=("none",)))), untyped)) is None


def test_facts_are_found_only_under_the_rules_that_they_were_verified_by(clock, world):
    first, token = gate(clock, world, settings(MAIN)), signed()
    assert reason(ask(first, token)) is None
    for stricter in (replace(MAIN, algorithms=("RS256",)), replace(MAIN, typ=("JWT",)), replace(MAIN, mode="verify")):
        second = gate(clock, world, settings(stricter))
        second.gateway.resolver.issuers[0].resolver.cache = first.gateway.resolver.issuers[0].resolver.cache
        assert reason(ask(second, token)) is (None if stricter == MAIN else Reason.INVALID_TOKEN)


def test_the_origin_of_an_endpoint_that_settings_name_is_still_https(clock, world):
    world.places[f"{ISS}/.well-known/oauth-authorization-server"] = metadata(jwks_uri="http://keys.example/")
    world.places["http://keys.example/"] = key_reply("k1")
    one = replace(MAIN, endpoint_origins=("http://keys.example",))
    assert reason(ask(gate(clock, world, settings(one)), signed())) is Reason.BAD_ANSWER
    assert reason(ask(gate(clock, world, settings(replace(one, allow_insecure_http=True))), signed())) is None


def test_failing_to_get_keys_is_said_in_the_log_and_good_tokens_go_on(clock, world):
    lines: list = []
    wired = gate(clock, world, settings(MAIN, cache=Cache(max_age=1.0)), lines=lines)
    token = signed()
    assert reason(ask(wired, token)) is None
    world.places[f"{ISS}/keys"] = reply(503)
    clock.advance(301)
    assert reason(ask(wired, token)) is None
    [line] = [line for line in lines if line.event == "issuer_not_refreshed"]
    assert {"issuer": "main", "what": "keys", "reason": "unavailable"}.items() <= line.fields.items()
    assert 3599 == line.fields["usable_for"]


def test_every_issuer_is_probed(clock, world):
    wired = gate(clock, world, settings(MAIN, ASKED))
    world.places[f"{OTHER}/introspect"] = reply(204)
    assert [("main", f"the keys of {ISS}"), ("asked", OTHER)] == [probe[:2] for probe in wired.probes]
    assert finish(wired.probe()) is None
    world.places[f"{OTHER}/introspect"] = reply(401)
    assert finish(wired.probe()).reason is Reason.CLIENT_REFUSED


def test_an_issuer_whose_keys_can_t_be_used_is_told(clock, world):
    body = json.dumps({"keys": [{**jwk("k1"), "use": "enc"}]})
    world.places[f"{ISS}/keys"] = reply(200, body)
    trouble = finish(gate(clock, world, settings(MAIN)).probe())
    assert Reason.BAD_ANSWER is trouble.reason
    assert "none of its 1 keys can be used" in trouble.detail


def test_keys_are_fetched_ahead_in_the_background_of_a_loop(clock, world):
    async def story() -> None:
        wired = gate(clock, world, settings(MAIN), "nonblocking")

        async def decide(token: str) -> Allow | Refuse:
            return await wired.gateway.decide(Request("GET", "/", Headers.of([("Authorization", f"Bearer {token}")])))

        assert isinstance(await decide(signed()), Allow)
        assert 2 == len(world.asked)
        clock.advance(241)  # beyond 80 % of the five minutes that keys are kept for
        world.places[f"{ISS}/keys"] = key_reply("k1", "k2")
        assert isinstance(await decide(signed(jti="2")), Allow)
        for _ in range(10):
            await asyncio.sleep(0)
        assert 4 == len(world.asked)  # the metadata and the keys
        assert isinstance(await decide(signed("k2")), Allow)
        assert 4 == len(world.asked)
        await wired.close()

    asyncio.run(story())


def test_no_secret_and_no_token_is_told(clock, world):
    lines: list = []
    wired = gate(clock, world, settings(MAIN, ASKED), lines=lines)
    token = signed("k2")
    decision = ask(wired, token)
    told = repr(wired) + repr(wired.settings) + repr(decision) + decision.detail + "".join(map(repr, lines))
    assert SECRET not in told
    assert token not in told
    assert token.split(".")[1] not in told


def test_refusals_by_trouble_are_never_401(clock, world):
    world.places.clear()
    assert 502 == ask(gate(clock, world, settings(MAIN)), signed()).reason.status
    world.http.answer = reply(503)
    assert 503 == ask(gate(clock, world, settings(MAIN)), signed()).reason.status
    world.http.answer = Refused(Reason.BAD_ANSWER, "not HTTP")
    assert 502 == ask(gate(clock, world, settings(MAIN)), signed()).reason.status


# -- keys that are taken back ------------------------------------------------------------------------------------


def rotated(world, *kids):
    world.places[f"{ISS}/keys"] = key_reply(*kids, max_age=600)


LONG = Cache(max_age=3600.0)


def test_what_a_key_has_proved_ends_when_the_key_is_taken_back(clock, world):
    rotated(world, "k1", "k2")
    wired = gate(clock, world, settings(MAIN, cache=LONG))
    first, second = signed("k1"), signed("k2")
    assert [None, None] == [reason(ask(wired, token)) for token in (first, second)]

    rotated(world, "k2")
    assert [None, None] == [reason(ask(wired, token)) for token in (first, second)]  # remembered, and nobody has looked
    clock.advance(481)  # past 80 % of the keys' freshness
    ask(wired, signed("k2", jti="new"))  # somebody makes us look
    assert [Reason.INVALID_TOKEN, None] == [reason(ask(wired, token)) for token in (first, second)]


def test_a_key_that_is_added_makes_nobody_verify_again(clock, world):
    rotated(world, "k1")
    wired = gate(clock, world, settings(MAIN, cache=LONG))
    token = signed("k1")
    ask(wired, token)
    rotated(world, "k1", "k2")
    clock.advance(481)
    assert isinstance(ask(wired, signed("k2")), Allow)
    misses = wired.metrics.caches["memory"].misses
    assert isinstance(ask(wired, token), Allow)
    assert misses == wired.metrics.caches["memory"].misses


def test_an_answer_that_a_key_has_proved_ends_with_it_too(clock, world):
    rotated(world, "k1")
    world.places[f"{ISS}/introspect"] = reply(200, signed("k1"), content_type="application/jwt")
    asked = replace(MAIN, mode="introspect", audiences=(), introspection=replace(CLIENT, verify="signature"))
    wired = gate(clock, world, settings(asked, cache=LONG))
    assert isinstance(ask(wired, "opaque"), Allow)
    rotated(world, "k2")
    clock.advance(481)
    assert isinstance(ask(wired, "opaque"), Allow)
    assert Reason.BAD_ANSWER is reason(ask(wired, "another"))  # and makes us look
    assert Reason.BAD_ANSWER is reason(ask(wired, "opaque"))


# -- tokens that are purged --------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("iat", "gets_in"), [(NOW - 100, False), (None, False), (NOW + 3, True)])
def test_a_jwt_that_nobody_is_asked_about_outlives_the_purge_of_its_person_only_by_its_date(
    clock, world, iat, gets_in, before
):
    wired = gate(clock, world, settings(MAIN))
    token = signed("k1", iat=iat)
    if before:
        assert isinstance(ask(wired, token), Allow)
    marks = wired.gateway.resolver.issuers[0].resolver.marks
    marks.put(mark_of(Purge("sub", "ann", "main", NOW), marks.secret, 600.0))

    found = [reason(ask(wired, token)) for _ in range(3)]

    assert [None if gets_in else Reason.INACTIVE] * 3 == found
