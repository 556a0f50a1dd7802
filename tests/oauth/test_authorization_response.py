"""What the browser brings back is read as one thing or as none."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.authorization_response import (
    AuthorizationResponse,
    check_iss,
    read_authorization_response,
)
from phantomgate.oauth.form import form_body, form_pairs

NAMES = st.sampled_from(["code", "state", "iss", "error", "error_description", "response", "page", "x"])
VALUES = st.text(st.characters(codec="utf-8"), max_size=20)


def refusal(query):
    with pytest.raises(Refused) as no:
        read_authorization_response(query)
    assert no.value.reason is Reason.MALFORMED_REQUEST
    return no.value.detail


def test_a_code_and_an_error_are_read():
    assert AuthorizationResponse("s", "c", "", "https://as.example") == read_authorization_response(
        "code=c&state=s&iss=https%3A%2F%2Fas.example&session_state=x&page=2&page=3"
    )
    assert AuthorizationResponse("s", "", "access_denied", None) == read_authorization_response(
        "error=access_denied&state=s&error_description=%3Cb%3E"
    )


@pytest.mark.parametrize("query", ["", "code=c", "state=s", "error=x", "page=1", "response=jwt", "iss=x&state=s"])
def test_a_pages_own_query_is_no_answer(query):
    assert read_authorization_response(query) is None


@pytest.mark.parametrize(
    "query",
    [
        "code=&state=s",
        "code=c&state=",
        "code=c&state=s&error=e",
        "code=%0a&state=s",
        "code=c%c3%a9&state=s",
        "code=%&state=s",
        "code=%zz&state=s",
        "code=%ff&state=s",
        "code=c&state=s&iss=",
        "code=c&state=s&iss=%0a",
        "error=&state=s",
        "error=%0a&state=s",
        f"error=e&state={'a' * 4097}",
        f"code={'a' * 4097}&state=s",
        f"code=c&state=s&x={'a' * 16384}",
        "code=c&state=s&" + "&".join("x=1" for _ in range(100)),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(query):
    assert refusal(query)


@pytest.mark.parametrize(
    "name", ["code", "state", "iss", "error", "error_description", "error_uri", "response", "session_state"]
)
def test_a_parameter_of_the_protocol_comes_once_though_it_says_the_same_again(name):
    rest = "&".join(f"{other}=x" for other in ("code", "state") if other != name)

    assert f"authorization response: {name} came more than once" == refusal(f"{rest}&{name}=x&{name}=x")


def test_an_answer_may_be_as_long_as_its_bounds():
    code = "c" * 4096
    rest = f"code={code}&state=s&x="

    found = read_authorization_response(rest + "x" * (16384 - len(rest)))

    assert AuthorizationResponse("s", code) == found
    assert "want at most 16384" in refusal(rest + "x" * (16385 - len(rest)))


def test_a_text_of_the_server_is_never_repeated():
    assert "canary" not in refusal("code=canary&code=canary&state=canary")


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_an_answer_is_what_its_writer_meant(pairs):
    query = form_body(pairs).decode()
    try:
        found = read_authorization_response(query)
    except Refused:
        found = None
    if found is not None:
        said = dict(pairs)
        names = [name for name, _ in pairs if name not in ("page", "x")]
        assert len(names) == len(set(names))
        assert (found.state, found.code or found.error) == (said["state"], said.get("code") or said.get("error"))
        assert ("code" in said) != ("error" in said)


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))), max_size=9))
def test_a_form_is_read_as_it_was_written(pairs):
    assert pairs == form_pairs(form_body(pairs).decode())


@given(st.text(max_size=60))
def test_a_form_reader_gives_pairs_or_an_error_of_ours(text):
    with suppress(ValueError):
        assert isinstance(form_pairs(text), list)


@pytest.mark.parametrize("text", ["canary=%", "canary=%g0", "canary=%ff", "canary=\ud800%20"])
def test_a_form_reader_never_repeats_what_it_read(text):
    with pytest.raises(ValueError) as no:
        form_pairs(text)
    assert type(no.value) is ValueError
    assert "canary" not in str(no.value)


@pytest.mark.parametrize(
    ("iss", "required", "good"),
    [
        ("https://as.example", True, True),
        ("https://as.example", False, True),
        (None, False, True),
        (None, True, False),
        ("https://as.example/", False, False),
        ("https://AS.example", False, False),
        ("https://evil.example", False, False),
    ],
)
def test_an_answer_of_another_server_is_refused(iss, required, good):
    response = AuthorizationResponse("s", "c", "", iss)
    if good:
        check_iss(response, "https://as.example", required=required)
    else:
        with pytest.raises(Refused):
            check_iss(response, "https://as.example", required=required)
