"""What several processes of an agent remember together, in real Redis servers and by what DynamoDB answers.

That moto and the other stores keep the same contract is shown in `tests/interop/test_aws_agent.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from base64 import b64decode

import pytest

from agent_state import assert_remembers
from phantomgate.backends import redis_client
from phantomgate.backends.aws_api import place_of
from phantomgate.backends.blocking import finish
from phantomgate.backends.dynamodb import DynamoDbState
from phantomgate.backends.redis_state import RedisState
from phantomgate.core.errors import Unavailable
from phantomgate.testing import FakeClock, FakeHttp, reply
from ports import free_port
from redis_servers import faulty, servers
from sealed import Numbered

ENVIRON = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "canary-secret-key"}
KEY, MARK = b"k" * 32, b"m" * 16


class Family:
    """Redis by one family of back ends, driven by its driver."""

    def __init__(self, blocks: bool):
        self.blocks = blocks
        self.runner = None if blocks else asyncio.Runner()
        self.stores = []

    def run(self, coroutine):
        return finish(coroutine) if self.blocks else self.runner.run(coroutine)

    def store(self, port, whose=b"", **more):
        place = redis_client.Place(nodes=(("127.0.0.1", port),), **more)
        act, close = redis_client.blocking(place, 8, 0.5) if self.blocks else redis_client.nonblocking(place, 8)
        self.stores.append(RedisState(act, close, prefix="t", random=os.urandom, whose=whose))
        return self.stores[-1]

    def close(self):
        for store in self.stores:
            self.run(store.close())
        self.stores = []
        if self.runner is not None:
            self.runner.close()


@pytest.fixture(params=[True, False], ids=["blocking", "loop"])
def family(request):
    made = Family(request.param)
    yield made
    made.close()


@pytest.fixture(scope="module")
def make():
    with servers() as made:
        yield made


def test_redis_remembers_for_several_processes(family, make):
    port = make().port
    assert_remembers(family.run, family.store(port), family.store(port), pause=time.sleep)


def test_redis_keeps_apart_what_is_whose(family, make):
    port = make().port
    ours, theirs, plain = family.store(port, whose=b"o"), family.store(port, whose=b"t"), family.store(port)
    family.run(ours.put(KEY, b"ours", 9.0))
    assert family.run(ours.claim(KEY, b"o" * 16, 9.0))

    assert [None, None] == [family.run(store.get(KEY)) for store in (theirs, plain)]
    assert family.run(theirs.claim(KEY, MARK, 9.0))


def test_an_acl_user_may_do_no_more_than_it_must(family, make):
    server = make()
    rules = ["on", ">canary-word", "~t:agent:*", "-@all", "+get", "+set", "+del", "+strlen", "+eval", "+ping"]
    server.client().execute_command("ACL", "SETUSER", "agent", *rules)
    login = {"username": "agent", "password": "canary-word"}
    assert_remembers(family.run, family.store(server.port, **login), family.store(server.port, **login), time.sleep)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_evicts_is_told_of(family, make, policy):
    store = family.store(make("--maxmemory", "100mb", "--maxmemory-policy", policy).port)

    with pytest.raises(Unavailable, match=f"{policy}.*want noeviction"):
        family.run(store.ask())


def test_a_server_that_is_not_asked_for_its_policy_is_good_when_it_answers(family, make):
    family.run(family.store(make().port).ask())  # without maxmemory nothing is evicted
    family.run(family.store(make("--maxmemory", "100mb", "--maxmemory-policy", "noeviction").port).ask())
    with pytest.raises(Unavailable):
        family.run(family.store(free_port()).ask())


def test_a_connection_that_ended_while_it_was_idle_is_made_anew(family, make):
    server = make()
    store = family.store(server.port)
    family.run(store.put(KEY, b"v", 20.0))
    server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    assert b"v" == family.run(store.get(KEY))


def test_a_record_that_is_too_long_is_not_fetched(family, make):
    server = make()
    server.client().set(b"t:agent:v1:" + KEY, b"x" * 70_000)

    with pytest.raises(Unavailable):
        family.run(family.store(server.port).get(KEY))


ANSWERS = {
    "reset": lambda said: None,
    "garbage": lambda said: b"\xff\x00 what?\r\n" * 3,
    "silence": lambda said: b"",
    "a number": lambda said: b":7\r\n",
    "an error": lambda said: b"-ERR canary\r\n",
    "read-only": lambda said: b"-READONLY canary\r\n",
    "a list": lambda said: b"*3\r\n:1\r\n:2\r\n:3\r\n",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_whatever_redis_answers_nobody_believes_that_he_knows(family, name):
    with faulty(ANSWERS[name]) as port:
        store = family.store(port)
        asked = [
            lambda: store.get(KEY),
            lambda: store.put(KEY, b"v", 9.0),
            lambda: store.first(KEY, 9.0),
            lambda: store.claim(KEY, MARK, 9.0),
        ]
        for ask in asked if family.blocks and name != "silence" else asked[:1]:  # some take as long as they may
            with pytest.raises(Unavailable) as no:
                family.run(ask())
            assert "canary" not in str(no.value)
        family.close()
        family.runner = None if family.blocks else asyncio.Runner()


def test_a_put_that_nobody_confirms_is_not_believed(family):
    with faulty(lambda said: b"$-1\r\n") as port, pytest.raises(Unavailable):
        family.run(family.store(port).put(KEY, b"v", 9.0))
    with pytest.raises(Unavailable):
        family.run(family.store(free_port()).get(KEY))


def dynamodb(answer, clock=None):
    http = FakeHttp(answer)
    place = place_of("dynamodb", "AWS_ENDPOINT_URL_DYNAMODB", "eu-west-1", ENVIRON, "1.0")
    clock = clock or FakeClock()
    return DynamoDbState(http, place, "sessions", now=clock.now, random=Numbered()), http


def test_a_read_of_dynamodb_is_consistent_and_signed(drive):
    store, http = dynamodb(reply(200, "{}"))

    assert drive(store.get(KEY)) is None
    (call,) = http.calls
    fields = dict(call.headers)
    assert ("https://dynamodb.eu-west-1.amazonaws.com", "application/x-amz-json-1.0", "DynamoDB_20120810.GetItem") == (
        call.url,
        fields["content-type"],
        fields["x-amz-target"],
    )
    assert fields["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    asked = json.loads(call.body)
    assert ("sessions", True, b"v" + KEY) == (
        asked["TableName"],
        asked["ConsistentRead"],
        b64decode(asked["Key"]["key"]["B"]),
    )
    assert "canary" not in repr((call, store))


def test_a_record_is_over_when_its_time_is_up_although_dynamodb_still_has_it(drive):
    clock = FakeClock()
    item = {"record": {"B": "dg=="}, "until": {"N": f"{clock.now() + 10:.3f}"}}
    store, _ = dynamodb(reply(200, json.dumps({"Item": item})), clock)

    assert b"v" == drive(store.get(KEY))
    clock.advance(10)
    assert drive(store.get(KEY)) is None


def test_what_is_for_one_is_written_on_a_condition_that_holds_when_it_is_sent_twice(drive):
    store, http = dynamodb([reply(200, "{}"), reply(400, '{"__type":"com.amazonaws#ConditionalCheckFailedException"}')])

    assert [True, False] == [drive(store.claim(KEY, MARK, 5.0)), drive(store.first(KEY, 5.0))]
    asked = json.loads(http.calls[0].body)
    assert "attribute_not_exists(#key) OR #until <= :now OR #record = :record" == asked["ConditionExpression"]
    now = float(asked["ExpressionAttributeValues"][":now"]["N"])
    assert (now + 5, now + 5) == (float(asked["Item"]["until"]["N"]), float(asked["Item"]["ttl"]["N"]))


@pytest.mark.parametrize(
    "answer",
    [
        reply(400, '{"__type":"ResourceNotFoundException","message":"canary"}'),
        reply(400, '{"__type":"ThrottlingException"}'),
        reply(500, "<p>canary"),
        reply(200, "[]"),
        reply(200, "canary"),
        reply(403, '{"__type":"x y canary"}'),
        Unavailable("no connection"),
    ],
    ids=["no table", "throttled", "trouble", "a list", "no JSON", "not allowed", "gone"],
)
def test_whatever_dynamodb_answers_nobody_believes_that_he_knows(drive, answer):
    for ask in ("get", "put", "first", "claim"):
        store, _ = dynamodb(answer)
        more = {"get": (), "put": (b"v", 5.0), "first": (5.0,), "claim": (MARK, 5.0)}[ask]
        with pytest.raises(Unavailable) as no:
            drive(getattr(store, ask)(KEY, *more))
        assert "canary" not in str(no.value)


@pytest.mark.parametrize("item", [{}, {"until": {"N": "x"}, "record": {"B": "dg=="}}, {"until": {"N": "1e99"}}])
def test_an_item_that_we_cant_have_written_is_trouble(drive, item):
    store, _ = dynamodb(reply(200, json.dumps({"Item": item})))

    with pytest.raises(Unavailable):
        drive(store.get(KEY))


def test_nothing_is_asked_in_the_clear():
    with pytest.raises(ValueError, match="in the clear"):
        place_of("dynamodb", "", "eu-west-1", {**ENVIRON, "AWS_ENDPOINT_URL": "http://example.com"})
    with pytest.raises(ValueError, match="AWS_REGION"):
        place_of("dynamodb", "", "", ENVIRON)


@pytest.mark.parametrize(
    "trouble",
    [
        Unavailable("too late"),
        reply(500, '{"__type":"InternalServerError"}'),
        reply(400, '{"__type":"ThrottlingException"}'),
        reply(400, '{"__type":"ProvisionedThroughputExceededException"}'),
    ],
    ids=["late", "trouble", "throttled", "too much"],
)
def test_dynamodb_is_asked_once_more_the_same(drive, trouble):
    """A logout that isn't remembered lets a session live on; and what was done at first is known by its mark."""
    store, http = dynamodb([trouble, reply(200, "{}")])

    assert drive(store.first(KEY, 5.0))
    first, again = http.calls
    assert first.body == again.body


def test_what_dynamodb_doesnt_allow_is_asked_once(drive):
    store, http = dynamodb(reply(400, '{"__type":"AccessDeniedException"}'))

    with pytest.raises(Unavailable):
        drive(store.get(KEY))
    assert 1 == len(http.calls)
