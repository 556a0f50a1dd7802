"""What a probe finds out of servers of many kinds, with how few calls, and what it recommends."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass

import pytest

from cli.probed import ENVIRON, FACTS, INACTIVE, SECRET, TOKEN, Server, in_json, phantom, plain, said, text_of
from issuing import ISS, key_reply, metadata, signed
from phantomgate.cli.probing.told import told
from phantomgate.cli.probing.ways import MOST_REFUSED, ORDER, Way, rank
from phantomgate.config.loading import Sources, load
from phantomgate.core.errors import Unavailable
from phantomgate.oauth.introspection import SIGNED
from phantomgate.testing import reply
from tokens import NOW, jwt


def results(finding):
    return {one["way"]: one["result"] for one in told(finding)["ways"]}


def settings(finding):
    return load(Sources(finding.settings, "pasted", {}))


def test_a_server_with_a_jwt_to_give_is_asked_for_it():
    finding = Server(phantom).probe(token=TOKEN)
    assert (True, Way("introspect", "basic", "jwt")) == (finding.works, finding.best.way)
    assert ("jwt", ISS, ("api",)) == (
        settings(finding).introspection.answer,
        settings(finding).introspection.issuer,
        settings(finding).policy.audiences,
    )


def test_a_server_with_a_jwt_in_its_json_is_asked_for_json_although_it_answers_so_in_any_case():
    def embedded(form, accept):
        return in_json(**FACTS, phantom_token=jwt()) if form["token"] == TOKEN else INACTIVE

    finding = Server(embedded).probe(token=TOKEN)
    assert ("works", "works", Way("introspect", "basic", "json")) == (
        results(finding)["application/jwt"],
        results(finding)["JSON"],
        finding.best.way,
    )


def test_for_a_server_with_facts_only_a_jwt_is_minted():
    finding = Server(plain).probe(token=TOKEN)
    assert Way("introspect", "basic", "json", True) == finding.best.way
    assert ("env:MINT_KEY",) == settings(finding).mint.keys


def test_facts_that_name_a_user_by_username_alone_are_minted_for_that():
    facts = {name: value for name, value in FACTS.items() if name != "sub"} | {"username": "ann"}
    finding = Server(lambda form, accept: in_json(**facts) if form["token"] == TOKEN else INACTIVE).probe(token=TOKEN)
    assert ("does not", "works") == (
        results(finding)["JSON, JWT minted here"],
        results(finding)["JSON, JWT minted here for its username"],
    )
    assert "username" == settings(finding).mint.subject


def test_a_jwt_is_verified_and_its_audience_algorithm_and_type_are_in_the_settings():
    jwt = signed(header={"alg": "ES256", "typ": "JWT", "kid": "k1"}, aud=["orders", "stock"])
    finding = Server().probe(token=jwt, client_id="", client_secret="")
    [one] = settings(finding).issuers
    assert ("verify", ("orders", "stock"), ("ES256",), ("JWT",)) == (one.mode, one.audiences, one.algorithms, one.typ)
    assert "CONFIRM" in finding.settings


def test_to_verify_comes_before_everything_that_works_too():
    token = signed()

    def knows(form, accept):
        return reply(200, jwt(), content_type="application/jwt") if form["token"] == token else reply(204)

    finding = Server(knows).probe(token=token)
    assert ("works", Way("verify")) == (results(finding)["application/jwt"], finding.best.way)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (signed("k2", {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}), "signature is wrong"),
        (signed(iss="https://other.example"), "no issuer of ours"),
        (signed(exp=NOW - 1), "exp was 1 s ago"),
        (signed(aud=None), "aud of the token is None"),
        (signed(header={"alg": "HS256", "typ": "at+jwt", "kid": "k1"}), "needs a shared secret"),
        (signed(header={"alg": "none", "typ": "at+jwt", "kid": "k1"}), "needs a shared secret"),
        (signed(header={"alg": "ES256", "typ": "a b", "kid": "k1"}), "typ of the token is 'a b'"),
        (signed(header={"alg": "ES256", "typ": "id_token+jwt", "kid": "k1"}), "never the type of an access token"),
        (signed(nonce="n"), "an ID token has"),
        (signed("k2"), "key set"),
    ],
)
def test_a_jwt_that_can_not_be_verified_is_told_why_and_gives_no_settings(token, why):
    finding = Server().probe(token=token, client_id="", client_secret="")
    assert (False, "", True) == (finding.works, finding.settings, why in said(finding)), said(finding)


def test_without_a_token_only_a_204_says_that_there_is_a_jwt_to_be_had():
    assert ("jwt", "json") == (Server(phantom).probe().best.way.answer, Server(plain).probe().best.way.answer)


def test_without_a_client_and_a_token_the_server_is_shown_and_nothing_recommended():
    server = Server(phantom)
    finding = server.probe(client_id="", client_secret="")
    assert (True, None, []) == (finding.works, finding.best, server.asked())
    assert "--client-id" in text_of(finding)


def test_an_endpoint_that_calls_a_made_up_token_active_is_never_recommended_nor_shown_a_real_one():
    server = Server(lambda form, accept: in_json(**FACTS, phantom_token=jwt()))
    finding = server.probe(token=TOKEN)
    assert (False, "") == (finding.works, finding.settings)
    assert "calls a token active that it never issued" in said(finding)
    assert [] == [call for call in server.calls if TOKEN.encode() in call.body]


def test_a_client_that_is_refused_is_tried_three_times_at_most():
    ways = ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"]
    document = metadata(token_endpoint_auth_methods_supported=ways)
    server = Server(lambda form, accept: reply(401), document)
    finding = server.probe(environ={**ENVIRON, "KEY": _key()}, client_key="env:KEY", token=TOKEN)
    assert (MOST_REFUSED, False) == (len(server.asked()), finding.works)
    assert "3 refusals are enough; --client-auth post" in said(finding)
    assert [] == [call for call in server.calls if TOKEN.encode() in call.body]


def test_after_three_refusals_one_way_that_worked_goes_on():
    ways = ["private_key_jwt", "client_secret_jwt", "client_secret_basic", "client_secret_post"]
    seen = []

    def knows_one(form, accept):
        seen.append(form)
        return phantom(form, accept) if form.get("client_assertion", "").count(".") and len(seen) != 2 else reply(401)

    server = Server(knows_one, metadata(token_endpoint_auth_methods_supported=ways))
    finding = server.probe(environ={**ENVIRON, "KEY": _key()}, client_key="env:KEY", token=TOKEN)
    refused = [one for one in finding.showings if one.tried and not one.tried.works]
    assert (MOST_REFUSED, Way("introspect", "private_key_jwt", "jwt")) == (len(refused), finding.best.way)


def test_a_refusal_by_400_is_a_refusal_too():
    document = metadata(introspection_endpoint_auth_methods_supported=["client_secret_post"])
    no = reply(400, '{"error": "invalid_client"}', content_type="application/json")
    finding = Server(lambda form, accept: no, document).probe(token=TOKEN)
    assert "client_refused" == finding.showings[-1].tried.reason


def test_what_the_server_does_not_name_is_not_tried_unless_it_names_nothing():
    named = Server(plain, metadata(introspection_endpoint_auth_methods_supported=["client_secret_post"]))
    assert Way("introspect", "post", "json", True) == named.probe(token=TOKEN).best.way
    tried = {"Authorization" in dict(call.headers) for call in named.asked()}
    assert {False} == tried
    unnamed = Server(plain)
    unnamed.probe(token=TOKEN)
    assert {True, False} == {"Authorization" in dict(call.headers) for call in unnamed.asked()}


@dataclass
class DecodesNothing(Server):
    """Takes the Authorization of RFC 7617 as it is, and no other way."""

    secret: str = ""

    async def send(self, call):
        answer = await super().send(call)
        raw = "Basic " + b64encode(f"gateway:{self.secret}".encode()).decode()
        asked = call.url.endswith("/introspect")
        return reply(401) if asked and dict(call.headers).get("Authorization") != raw else answer


def test_a_secret_that_encoding_changes_is_tried_without_where_nothing_else_is_taken():
    secret = f"{SECRET}+$!"
    finding = DecodesNothing(secret=secret).probe(environ={"CANARY": secret}, token=TOKEN)
    assert ["basic", "post", "basic_raw"] == [one.method.name for one in finding.showings]
    assert Way("introspect", "basic_raw", "json", True) == finding.best.way
    assert "basic_raw" == settings(finding).introspection.client_auth


@pytest.mark.parametrize(
    ("server", "words", "secret"),
    [
        (Server(plain), {}, f"{SECRET}+$!"),  # what RFC 6749 says is taken
        (Server(lambda form, accept: reply(401)), {}, SECRET),  # it would be the same
        (Server(lambda form, accept: reply(401)), {"client_id": "https://gateway"}, f"{SECRET}+$!"),  # it has a colon
    ],
)
def test_a_secret_is_sent_as_it_is_only_where_that_may_help(server, words, secret):
    finding = server.probe(environ={"CANARY": secret}, token=TOKEN, **words)
    assert ["basic", "post"] == [one.method.name for one in finding.showings]


def test_one_way_to_show_who_we_are_can_be_asked_for():
    server = Server(plain)
    assert Way("introspect", "bearer", "json", True) == server.probe(token=TOKEN, client_auth="bearer").best.way
    assert {f"Bearer {SECRET}"} == {dict(call.headers)["Authorization"] for call in server.asked()}


def test_an_assertion_is_preferred_to_sending_the_secret():
    document = metadata(
        introspection_endpoint_auth_methods_supported=["client_secret_basic", "private_key_jwt", "client_secret_jwt"]
    )
    environ = {**ENVIRON, "KEY": _key()}
    assert "private_key_jwt" == Server(plain, document).probe(environ, client_key="env:KEY").best.way.client_auth
    assert "client_secret_jwt" == Server(plain, document).probe().best.way.client_auth


def test_a_server_that_is_down_is_asked_once_and_nothing_works():
    def down(form, accept):
        raise Unavailable("no connection to https://as.example: refused")

    server = Server(down)
    finding = server.probe(token=TOKEN)
    assert (1, False) == (len(server.asked()), finding.works)
    assert "the server can't be asked" in text_of(finding)


def test_a_token_that_is_not_active_is_asked_about_once():
    finding = Server(lambda form, accept: INACTIVE).probe(token=TOKEN)
    assert (False, "not tried") == (finding.works, results(finding)["JSON"])
    assert "none that this client may ask about" in said(finding)


def test_a_token_is_got_by_client_credentials_when_that_is_asked_for():
    answer = {"access_token": TOKEN, "token_type": "bearer", "expires_in": 300}
    server = Server(phantom, metadata(token_endpoint=f"{ISS}/token"), more={f"{ISS}/token": in_json(**answer)})
    finding = server.probe(grant=True, scope="read write")
    assert ("jwt", True) == (finding.best.way.answer, bool(finding.best.upstream))
    [call] = server.asked(f"{ISS}/token")
    assert {"grant_type": "client_credentials", "scope": "read write"} == server.form(call)
    assert TOKEN not in "".join(server.said)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (reply(400, '{"error": "invalid_scope"}', content_type="application/json"), "gave us no token: invalid_scope"),
        (reply(401, '{"error": "<script>"}', content_type="application/json"), "refused our client (401)"),
        (reply(503), "answered 503"),
        (reply(302), "status 302"),
        (in_json(access_token=TOKEN, token_type="DPoP"), "token_type is none of bearer"),
        (in_json(access_token="a b", token_type="Bearer"), "access_token has a space in it"),
        (in_json(access_token=7, token_type="Bearer"), "access_token is not a plain string"),
        (reply(200, "{", content_type="application/json"), "JSON can't be read"),
    ],
)
def test_a_grant_that_gives_no_token_is_told_why(answer, why):
    server = Server(phantom, metadata(token_endpoint=f"{ISS}/token"), more={f"{ISS}/token": answer})
    finding = server.probe(grant=True)
    assert why in said(finding)
    assert "" == finding.token


def test_no_token_is_asked_for_without_a_token_endpoint_or_a_client_that_is_known():
    assert "the metadata has no token endpoint" in text_of(Server(phantom).probe(grant=True))
    server = Server(lambda form, accept: reply(401), metadata(token_endpoint=f"{ISS}/token"))
    assert "no way to show who we are is left" in text_of(server.probe(grant=True))
    assert [] == server.asked(f"{ISS}/token")


def test_keys_that_can_not_be_used_are_told_with_the_reason():
    usable = json.loads(key_reply("k1").body)["keys"]
    bad = [{"kty": "oct", "k": "AA", "kid": "shared"}, usable[0] | {"use": "enc", "kid": "sealed"}]
    keys = reply(200, json.dumps({"keys": [*usable, *bad]}), content_type="application/json")
    text = text_of(Server(keys=keys).probe(token=TOKEN))
    assert "  ok  ES256  kid k1" in text
    assert "  no  kid shared" in text
    assert "symmetric" in text
    assert "use is 'enc', want sig" in text


def test_metadata_of_openid_is_found_where_there_is_no_other():
    server = Server(phantom, reply(404), more={f"{ISS}/.well-known/openid-configuration": metadata()})
    assert (True, ()) == (
        server.probe(token=TOKEN).works,
        settings(server.probe(token=signed())).issuers[0].discovery[2:],
    )


def test_a_form_of_metadata_that_would_stop_serve_is_left_out_in_the_settings():
    server = Server(phantom, reply(302), more={f"{ISS}/.well-known/openid-configuration": metadata()})
    assert ("openid",) == settings(server.probe(token=signed())).issuers[0].discovery


def test_without_metadata_endpoint_and_keys_will_do():
    server = Server(phantom, reply(404))
    finding = server.probe(token=TOKEN, endpoint=f"{ISS}/introspect")
    assert ("jwt", f"{ISS}/introspect") == (finding.best.way.answer, settings(finding).introspection.endpoint)
    verified = server.probe(token=signed(), keys=f"{ISS}/keys")
    assert f"{ISS}/keys" == settings(verified).issuers[0].keys
    nothing = server.probe(token=signed(), client_id="", client_secret="")
    assert (False, True) == (nothing.works, "publishes no metadata" in text_of(nothing))


def test_keys_are_named_where_other_metadata_would_stop_their_discovery():
    document = metadata(introspection_endpoint="https://evil.example/introspect")
    finding = Server(phantom, document).probe(token=signed(), client_id="", client_secret="")
    assert (True, f"{ISS}/keys") == (finding.works, settings(finding).issuers[0].keys)


def test_the_signature_of_the_servers_own_jwt_is_verified_where_its_keys_made_it():
    def gives(token):
        def answer(form, accept):
            return reply(200, token, content_type="application/jwt") if form["token"] == TOKEN else reply(204)

        return answer

    good, other = (Server(gives(token)).probe(token=TOKEN) for token in (signed(), signed("k2")))
    assert ("signature", ("ES256",), f"{ISS}/keys") == (
        settings(good).introspection.verify,
        settings(good).introspection.algorithms,
        settings(good).introspection.keys,
    )
    assert ("none", True) == (settings(other).introspection.verify, other.works)


def test_a_token_that_carries_the_address_of_its_keys_is_verified_by_those_of_the_issuer():
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "k1", "jku": "https://evil.example/keys"}
    server = Server()
    finding = server.probe(token=signed(header=header), client_id="", client_secret="")
    assert (("jku",), []) == (settings(finding).issuers[0].ignored_header, server.asked("https://evil.example/keys"))


def test_signed_answers_are_asked_for_where_the_server_gives_no_others():
    def signs(form, accept):
        if accept != SIGNED:
            return reply(400, '{"error": "invalid_request"}', content_type="application/json")
        facts = FACTS if form["token"] == TOKEN else {"active": False}
        header = {"alg": "ES256", "typ": "token-introspection+jwt", "kid": "k1"}
        said = signed(header=header, aud="gateway", token_introspection=facts, exp=None, scope=None, sub=None)
        return reply(200, said, content_type=SIGNED)

    document = metadata(introspection_signing_alg_values_supported=["RS256", "ES256", "HS256"])
    finding = Server(signs, document).probe(token=TOKEN)
    assert ("signed", ("ES256",)) == (
        settings(finding).introspection.answer,
        settings(finding).introspection.algorithms,
    ), text_of(finding)
    assert "It answers in another way" in said(finding)


def test_the_order_is_least_secret_and_safest_first():
    ways = [Way(mode, "", answer, mint) for mode, answer, mint in ORDER]
    assert [rank(way)[0] for way in ways] == [0, 1, 2, 3, 4]
    assert ["verify", "jwt", "json", "json", "signed"] == [way.answer or way.mode for way in ways]


def test_settings_for_a_slow_private_server_keep_what_was_given(tmp_path):
    finding = Server(phantom).probe(token=TOKEN, timeout="9s")
    assert 9.0 == settings(finding).introspection.timeout


def _key():
    from phantomgate.backends.jose import new_signing_key

    return new_signing_key()
