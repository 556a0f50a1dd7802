"""What pages may say, and what their cookies hold, as properties: no spelling leads away, no bytes are a login."""

from __future__ import annotations

import re
from urllib.parse import unquote, urljoin, urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from agent.world import APP
from phantomgate.agent.logins import MOST, Login, find_login, new_login, pack_logins, read_logins
from phantomgate.agent.model import AgentError
from phantomgate.agent.pages import read_extra, read_return_to
from phantomgate.testing import FakeClock

PIECES = st.sampled_from(
    [
        "/",
        "//",
        "\\",
        ".",
        "..",
        "%2f",
        "%5C",
        "%2e",
        "%09",
        "\t",
        "\n",
        "@",
        ":",
        "https:",
        "evil.com",
        "a",
        "?",
        "#",
        " ",
    ]
)
PLACES = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=12)


def as_a_browser_goes(place):
    """The WHATWG URL of *place* at our page, as far as it can matter: stripped, no tab or newline, \\ is /."""
    read = re.sub(r"[\t\r\n]", "", place.strip("".join(map(chr, range(33))))).replace("\\", "/")
    return urlsplit(urljoin(f"{APP}/", read))


@given(PLACES)
@example("//evil.com")
@example("/\\evil.com")
@example("/\t/evil.com")
@example("/..//evil.com")
def test_what_is_accepted_stays_on_our_origin_however_it_is_read(place):
    taken = read_return_to({"returnTo": place}, ("/",))

    assert taken in ("", place)
    if taken:
        for spelled in (taken, unquote(taken), unquote(unquote(taken))):
            path = spelled.partition("?")[0].partition("#")[0]
            assert f"{urlsplit(APP).scheme}://{urlsplit(APP).netloc}" == "{0.scheme}://{0.netloc}".format(
                as_a_browser_goes(path)
            )


@given(PLACES)
def test_what_is_accepted_below_a_path_stays_below_it(place):
    taken = read_return_to({"returnTo": place}, ("/account/", "/home"))
    if taken:
        path = as_a_browser_goes(unquote(taken)).path
        assert path.startswith("/account/") or path == "/home"


@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=12))
def test_extra_parameters_are_those_that_are_allowed_or_an_error(pairs):
    given = {"extraParams": [{"key": key, "value": value} for key, value in pairs]}
    try:
        taken = read_extra(given, ("prompt", "a", "b"))
    except AgentError:
        return
    assert tuple(pairs) == taken
    assert {key for key, _ in taken} <= {"prompt", "a", "b"}


@given(
    st.binary(max_size=60)
    | st.sampled_from([b'{"logins": [[]]}', b'{"logins": 1}', b'{"logins": [[1,2,3,4,5]]}', b"{}"])
)
def test_bytes_that_we_didnt_write_are_no_logins(data):
    assert all(isinstance(one.state, str) for one in read_logins(data, 0.0))


@given(st.integers(0, 12))
def test_logins_are_read_as_they_were_packed(count):
    clock = FakeClock()
    numbers = iter(range(1000))
    made = tuple(
        new_login(clock.now(), f"/{n}", lambda size: bytes([next(numbers) % 251]) * size) for n in range(count)
    )
    read = read_logins(pack_logins(made), clock.now())

    assert made[-MOST:] == read if count else read == ()
    assert all(isinstance(one, Login) for one in read)


@given(st.text(max_size=50))
def test_a_state_that_isnt_there_is_no_login(state):
    numbers = iter(range(100))
    made = (new_login(0.0, "", lambda size: bytes([next(numbers)]) * size),)

    assert find_login(made, state) is None
    assert find_login(made, made[0].state) is made[0]
