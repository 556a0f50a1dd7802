"""The story of a decision: masked first, then told; also for what hardly ever happens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.cli.story import as_text, mask, tell
from phantomgate.config.settings import Serve, Settings
from phantomgate.core.errors import Reason
from phantomgate.core.model import Credential, HeaderChange, Headers, Refuse, Request, Route, Source, Token
from phantomgate.gateway.explain import Step
from tokens import NOW, jwt

REQUEST = Request("GET", "/", Headers())
TOKEN = Token(jwt(), {"sub": "ann"}, frozenset(), NOW + 60, 60.0, source=Source.MEMORY)
BUG = Refuse(Reason.SERVER_ERROR, "id", "KeyError", cause=KeyError("canary"))


def told(*steps: Step, decision=BUG, settings=Settings(), request=REQUEST) -> dict:  # noqa: B008 - frozen
    return tell(settings, request, steps, decision, exchange=False, now=NOW, ticks=0.0)


def test_a_bug_is_told_by_its_type_alone():
    story = told(Step("judge", "scopes", 0.0, refused=KeyError("canary")))
    assert story["steps"] == [
        {
            "step": "judge",
            "ms": 0.0,
            "policy": "scopes",
            "result": "refused",
            "reason": "server_error",
            "detail": "KeyError",
        }
    ]
    assert "judge     scopes: refused: server_error (KeyError)" in as_text(story)
    assert "canary" not in as_text(story)


def test_what_was_remembered_is_told_as_such():
    text = as_text(told(Step("resolve", "resolve", 0.0, TOKEN)))
    assert "active, says the memory; expires in 60 s, may be remembered for 60 s" in text


def test_a_note_of_the_adapter_is_told():
    assert "          note: fields ignored" in as_text(told(request=replace(REQUEST, note="fields ignored")))


def test_a_refusal_is_answered_as_the_listener_would():
    refuse = Refuse(Reason.MALFORMED_REQUEST, "id")
    assert told(decision=refuse)["answer"]["status"] == 400
    assert told(decision=refuse, settings=Settings(serve=Serve(nginx=True)))["answer"]["status"] == 401
    realm = told(decision=refuse, settings=Settings(serve=Serve(realm="mine")))["answer"]["headers"][2]
    assert realm[1].startswith('Bearer realm="mine"')


def test_what_is_needed_is_told_with_the_route():
    route = Route("GET /a", frozenset("b"), frozenset("cd"), audiences=frozenset(["api"]))
    story = told(Step("match", "match", 0.0, route))
    assert story["steps"][0]["needs"] == {"scopes": ["b"], "any_scopes": ["c", "d"], "audiences": ["api"]}
    assert "match     GET /a, which needs scopes b; any_scopes c d; audiences api" in as_text(story)


@given(st.text(min_size=1, max_size=60))
def test_a_mask_never_holds_a_whole_secret_of_some_length_nor_most_of_any(secret):
    said = mask(secret)
    assert said.endswith(f"({len(secret)} characters)")
    assert said.rpartition("(")[0] in ("", f"{secret[:6]}... ")
    assert len(secret) >= 24 or said.startswith("(")


@pytest.mark.parametrize("place", ["path", "claim", "header", "detail", "note"])
def test_a_token_is_masked_wherever_it_has_got_to(place):
    token = "canary-0123456789-0123456789"
    credential = Step("find", "find", 0.0, Credential(token))
    claims = {"sub": f"<{token}>", token: 1} if place == "claim" else {}
    steps = [
        credential,
        Step("resolve", "resolve", 0.0, replace(TOKEN, claims=claims)),
        Step("forward", "forward", 0.0, HeaderChange((("X-Jti", token),), frozenset())),
    ]
    request = replace(REQUEST, path=f"/{token}" if place == "path" else "/", note=token if place == "note" else "")
    story = told(*steps, request=request, decision=Refuse(Reason.INACTIVE, "id", token if place == "detail" else ""))
    assert token not in str(story)
    assert token not in as_text(story)
