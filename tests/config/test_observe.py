"""What is counted and logged: every decision once, and never a secret."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.config.log import LONGEST, Level
from phantomgate.config.observe import BUCKETS, Metrics, ended, merge, observer, telling
from phantomgate.config.remedies import remedy
from phantomgate.core.errors import Reason
from phantomgate.core.model import Allow, HeaderChange, Headers, Refuse, Request, Route, Token
from phantomgate.resolvers.breaker import State
from phantomgate.resolvers.cached import Counts
from phantomgate.resolvers.guarded import Calls

TOKEN = "canary-0123456789"


def request(path="/orders", **more):
    headers = Headers.of([("Authorization", f"Bearer {TOKEN}"), ("Cookie", f"at={TOKEN}")])
    return Request("GET", path, headers, query=f"access_token={TOKEN}", peer="127.0.0.1", **more)


def allow():
    token = Token(f"jwt.{TOKEN}", {"sub": TOKEN}, frozenset(), 2e9, 1e9, issuer="main")
    return Allow(token, Route("GET /orders"), HeaderChange((("Authorization", f"Bearer {TOKEN}"),), frozenset()))


def watch(**options):
    metrics, lines = Metrics(), []
    return metrics, lines, observer(metrics, lines.append, now=lambda: 1_800_000_000.125, **options)


def only(lines):
    (line,) = lines
    return json.loads(line.encode())


def raised(error):
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - a test catches what it raised
        return caught


def test_an_allowed_request_is_counted_and_not_logged():
    metrics, lines, observe = watch()

    observe(request(), allow())

    assert 1 == metrics.allowed
    assert [] == lines


def test_an_allowed_request_is_logged_where_settings_say_so():
    _, lines, observe = watch(allowed=True)

    observe(request(), allow())

    line = only(lines)
    assert ("allowed", "GET /orders", "main", "network") == tuple(
        line[name] for name in ("outcome", "route", "issuer", "source")
    )
    assert TOKEN not in json.dumps(line)


@pytest.mark.parametrize("reason", Reason)
def test_each_refusal_is_counted_under_its_reason_and_writes_one_line(reason):
    metrics, lines, observe = watch()

    observe(request(), Refuse(reason, "d-1", "3 fields, want one"))

    line = only(lines)
    assert {reason.label: 1} == {label: count for label, count in metrics.refused.items() if count}
    assert "2027-01-15T08:00:00.125Z" == line["time"]
    assert ("decision", "refused", reason.label, reason.status, "d-1") == tuple(
        line[name] for name in ("event", "outcome", "reason", "status", "decision")
    )
    assert ("GET", "/orders", "127.0.0.1", "3 fields, want one") == tuple(
        line[name] for name in ("method", "path", "peer", "detail")
    )


@pytest.mark.parametrize("reason", [Reason.BAD_ANSWER, Reason.CLIENT_REFUSED, Reason.SERVER_ERROR])
def test_what_an_operator_must_mend_is_logged_as_an_error(reason):
    _, lines, observe = watch()

    observe(request(), Refuse(reason, "d-1"))

    line = only(lines)
    assert ("error", remedy(reason, "")) == (line["level"], line["remedy"])


def test_what_a_caller_does_wrong_is_no_error():
    _, lines, observe = watch()

    observe(request(), Refuse(Reason.EXPIRED, "d-1"))

    line = only(lines)
    assert "info" == line["level"]
    assert "remedy" not in line


def test_a_bug_is_told_by_its_places_in_the_code_and_not_by_its_words():
    _, lines, observe = watch()

    observe(request(), Refuse(Reason.SERVER_ERROR, "d-1", "ValueError", cause=raised(ValueError(TOKEN))))

    line = only(lines)
    assert "ValueError" == line["cause"]
    assert line["trace"][-1].startswith("config/test_observe.py:")
    assert line["trace"][-1].endswith(" raised")
    assert TOKEN not in json.dumps(line)


def test_a_cause_is_told_with_what_caused_it():
    _, lines, observe = watch()
    cause = raised(RuntimeError(TOKEN))
    cause.__cause__ = ConnectionRefusedError()

    observe(request(), Refuse(Reason.UNAVAILABLE, "d-1", cause=cause))

    line = only(lines)
    assert "RuntimeError < ConnectionRefusedError" == line["cause"]
    assert "trace" not in line


def test_a_decision_nobody_waits_for_is_neither_refused_nor_an_error():
    metrics, lines, observe = watch()

    observe(request(), Refuse(Reason.SERVER_ERROR, "d-1", "abandoned", cause=raised(asyncio.CancelledError())))

    assert (1, 0) == (metrics.abandoned, sum(metrics.refused.values()))
    assert ("abandoned", "info") == (only(lines)["outcome"], only(lines)["level"])


@given(path=st.text(), detail=st.text())
def test_no_text_of_a_caller_breaks_a_line_or_makes_it_too_long(path, detail):
    _, lines, observe = watch()

    observe(request(path * 50), Refuse(Reason.INVALID_TOKEN, "d-1", detail * 50))

    (line,) = lines
    raw = line.encode()
    assert raw.endswith(b"\n")
    assert all(32 <= byte < 127 for byte in raw[:-1])
    assert len(raw) <= LONGEST
    assert "d-1" == json.loads(raw)["decision"]


def test_a_path_of_terminal_commands_is_escaped():
    _, lines, observe = watch()

    observe(request("/\x1b[2J\r\n\x7f\x9b31m"), Refuse(Reason.NO_ROUTE, "d-1"))

    (line,) = lines
    assert rb"/\u001b[2J\r\n\u007f\u009b31m" in line.encode()


def test_a_log_that_fails_changes_no_decision_and_is_counted():
    metrics = Metrics()

    def broken(line):
        raise OSError(28, "No space left on device")

    observer(metrics, broken, now=lambda: 0.0)(request(), Refuse(Reason.EXPIRED, "d-1"))

    assert (1, 1) == (metrics.refused["expired"], metrics.lines_dropped)


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.005, 0), (0.0051, 1), (10.0, len(BUCKETS) - 1), (10.1, len(BUCKETS))]
)
def test_a_latency_falls_into_the_first_bucket_that_holds_it(seconds, bucket):
    metrics = Metrics()

    metrics.timed(seconds)

    assert [bucket] == [place for place, count in enumerate(metrics.latency) if count]
    assert seconds == metrics.latency_sum


def test_cache_counts_are_read_when_a_snapshot_is_taken():
    metrics = Metrics()
    metrics.caches["memory"] = Counts(3, 2, 1, 5, 4)

    assert {"memory": {"hit": 3, "miss": 2, "negative": 1}} == metrics.snapshot()["cache"]
    assert (5, 4) == (metrics.snapshot()["stale"], metrics.snapshot()["ahead"])


def test_what_a_process_that_is_gone_was_doing_is_over_and_what_it_counted_stays():
    metrics = Metrics()
    metrics.servers["main"] = Calls({"timeout": 3}, retries=2, in_flight=7, opened=1, state=State.OPEN)
    told = json.loads(json.dumps(metrics.snapshot()))

    assert {"closed": 0, "open": 1, "half_open": 0} == told["servers"]["main"]["breaker"]
    left = ended(told)["servers"]["main"]
    assert {"closed": 0, "open": 0, "half_open": 0} == left["breaker"]
    assert (0, 3, 2, 1) == (left["in_flight"], left["calls"]["timeout"], left["retries"], left["opened"])


@pytest.mark.parametrize(("one_in", "lines"), [(0, 0), (1, 25), (10, 3)])
def test_one_allow_in_so_many_is_logged_and_says_so(one_in, lines):
    metrics, written = Metrics(), []
    observe = observer(metrics, written.append, now=lambda: 0.0, allowed=one_in)
    for _ in range(25):
        observe(request(), allow())
    assert (25, lines) == (metrics.allowed, len(written))
    assert {one_in if one_in > 1 else None} >= {line.fields.get("one_in") for line in written}


def test_snapshots_survive_json_and_add_up():
    one, other = Metrics(), Metrics()
    one.allowed, other.allowed = 2, 3
    one.refused["expired"] = 1
    one.timed(0.2)
    other.timed(0.2)
    one.in_flight = 4
    one.caches["memory"] = Counts(3, 2, 1, 5, 4)
    one.upstream_failures["timeout"] = 1

    total = merge(json.loads(json.dumps(metrics.snapshot())) for metrics in (one, other))

    assert (5, 1, 4, 1) == (
        total["allowed"],
        total["refused"]["expired"],
        total["in_flight"],
        total["upstream_failures"]["timeout"],
    )
    assert 2 == total["latency"][BUCKETS.index(0.25)]
    assert 0.4 == total["latency_sum"]
    assert {"memory": {"hit": 3, "miss": 2, "negative": 1}} == total["cache"]


def test_no_snapshot_is_a_snapshot_of_nothing():
    assert Metrics().snapshot() == merge([])


def test_what_a_process_counted_outlives_it_and_what_it_was_doing_does_not():
    metrics = Metrics()
    metrics.allowed, metrics.in_flight = 7, 2

    gone = ended(metrics.snapshot())

    assert (7, 0) == (gone["allowed"], gone["in_flight"])


def test_a_quiet_log_level_writes_only_what_is_that_loud():
    assert Level.DEBUG < Level.INFO < Level.WARNING < Level.ERROR


def test_a_store_that_is_lost_is_told_with_what_to_do_and_one_that_is_back_without():
    lines = []
    say = telling(lines.append, lambda: 1.0)

    say("shared_cache_lost", "ConnectionError")
    say("shared_cache_back", "")

    lost, back = lines
    assert (Level.WARNING, "ConnectionError") == (lost.level, lost.fields["detail"])
    assert "redis.nodes" in lost.fields["remedy"]
    assert (Level.INFO, {}) == (back.level, back.fields)
