"""What pages of other origins are told."""

import pytest

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Answer, Headers, Refuse, Request
from phantomgate.gateway.cors import CorsRules, cors
from phantomgate.gateway.gateway import Gateway

ORIGIN, OTHER = "https://www.example.com", "https://shop.example.com"
RULES = CorsRules(
    frozenset({ORIGIN.encode(), OTHER.encode()}), ("GET", "POST"), ("Content-Type", "x-example-csrf"), ("X-Id",), 600
)
VARY = ("Vary", "Origin")


def asked(method="GET", *origins, answerable=True, **fields):
    pairs = [("origin", origin) for origin in origins]
    pairs += [(name.replace("_", "-"), value) for name, value in fields.items()]
    return Request(method, "/", Headers.of(pairs), answerable=answerable)


def preflight(*origins, **options):
    return asked("OPTIONS", *origins, access_control_request_method="POST", **options)


@pytest.mark.parametrize("origin", [ORIGIN, OTHER])
def test_a_page_of_ours_may_read_answers(origin):
    fields, answer = cors(RULES)(asked("GET", origin))

    assert answer is None
    assert fields == (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "X-Id"),
        VARY,
    )


@pytest.mark.parametrize(
    "origins", [(), ("https://evil",), ("null",), (ORIGIN, ORIGIN), (f"{ORIGIN}, {OTHER}",), ("*",), ("",)]
)
def test_all_others_are_told_that_it_depends_on_the_origin_and_nothing_else(origins):
    assert cors(RULES)(asked("GET", *origins)) == ((VARY,), None)


def test_a_preflight_of_ours_is_answered_by_what_is_configured_and_echoes_nothing():
    fields, answer = cors(RULES)(preflight(ORIGIN, access_control_request_headers="x-secret"))

    assert fields == ()
    assert isinstance(answer, Answer)
    assert (answer.status, answer.headers) == (
        204,
        (
            ("Access-Control-Allow-Origin", ORIGIN),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Allow-Methods", "GET, POST"),
            ("Access-Control-Allow-Headers", "Content-Type, x-example-csrf"),
            ("Access-Control-Max-Age", "600"),
            VARY,
        ),
    )


@pytest.mark.parametrize("origins", [("https://evil",), ("null",), (ORIGIN, ORIGIN)])
def test_a_preflight_of_others_is_answered_without_a_word_of_cors(origins):
    _, answer = cors(RULES)(preflight(*origins))

    assert (answer.status, answer.headers) == (204, (VARY,))


def test_only_a_preflight_is_answered_and_only_where_the_client_hears_it():
    respond = cors(RULES)

    assert respond(preflight(ORIGIN, answerable=False))[1] is None
    assert respond(preflight())[1] is None
    assert respond(asked("OPTIONS", ORIGIN))[1] is None
    assert respond(asked("POST", ORIGIN, access_control_request_method="POST"))[1] is None


def test_the_gateway_answers_a_preflight_before_anything_else_and_tells_pages_of_refusals(drive):
    def never(*_):
        raise Refused(Reason.NO_ROUTE)

    seen = []
    gateway = Gateway(
        never, never, None, (), never, lambda request, decision: seen.append(decision), lambda: "id", cors(RULES)
    )
    answer = drive(gateway.decide(preflight(ORIGIN)))
    refuse = drive(gateway.decide(asked("GET", ORIGIN)))
    stranger = drive(gateway.decide(asked("GET", "https://evil")))

    assert isinstance(answer, Answer)
    assert isinstance(refuse, Refuse)
    assert ("Access-Control-Allow-Origin", ORIGIN) in refuse.client
    assert stranger.client == (VARY,)
    assert seen == [answer, refuse, stranger]


def test_a_fault_in_what_pages_are_told_is_a_refusal(drive):
    def fails(request):
        raise KeyError(request)

    gateway = Gateway(None, None, None, (), None, lambda request, decision: None, lambda: "id", fails)
    decision = drive(gateway.decide(preflight(ORIGIN)))

    assert not isinstance(decision, (Allow, Answer))
    assert decision.reason is Reason.SERVER_ERROR
