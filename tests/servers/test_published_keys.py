"""Our public keys on the decision listener and on the proxy: for everybody, and nothing else with them."""

import asyncio

import pytest

from phantomgate.oauth.published import key_set
from servers.proxied import Api, Front
from servers.test_listener import Service, bearer

KEYS = b'{"keys":[{"kty":"EC"}]}'
PATH = "/.well-known/jwks.json"
PUBLISHED = {PATH: key_set(KEYS)}


def ask(method="GET", path=PATH):
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"


def answered(*requests, **options):
    async def story():
        async with Service(**options) as service:
            client = await service.connect()
            answers = []
            for request in requests:
                client.send(request)
                answers.append(await client.answer(head=request.startswith("HEAD")))
            assert len(service.decisions) == sum(request.startswith("GET /decide") for request in requests)
            return answers

    return asyncio.run(story())


def test_anybody_may_read_them_and_a_connection_goes_on_deciding():
    got, head, decided = answered(ask(), ask("HEAD"), bearer("now"), published=PUBLISHED, trusts=lambda peer: True)

    status, fields, body = got
    assert (status, body) == (200, KEYS)
    assert ("Content-Type", "application/jwk-set+json") in fields
    assert ("Cache-Control", "public, max-age=300") in fields
    assert head[0] == 200
    assert dict(head[1])["Content-Length"] == str(len(KEYS))
    assert decided[0] == 200


@pytest.mark.parametrize("path", [PATH + "/", PATH + "?x", "/.well-known/", "/.well-known/jwks"])
def test_nothing_beside_them_is_there(path):
    assert answered(ask(path=path), published=PUBLISHED)[0][0] == 404


def test_they_can_only_be_read():
    status, fields, _ = answered(ask("POST"), published=PUBLISHED)[0]

    assert (status, dict(fields)["Allow"]) == (405, "GET, HEAD")


def test_who_mints_nothing_publishes_nothing():
    assert answered(ask())[0][0] == 404


def test_the_proxy_answers_for_them_itself():
    async def story(**options):
        front = Front(Api(), **options)
        async with front.serving():
            answers = [await front.ask(ask()), await front.ask(ask("HEAD"), head=True), await front.ask(ask("PUT"))]
        return answers, front.api.heads

    answers, asked = asyncio.run(story(published=PUBLISHED))
    print(answers)
    assert [answer[0] for answer in answers] == [200, 200, 401]
    assert asked == []
    answers, _ = asyncio.run(story())
    assert [answer[0] for answer in answers] == [401, 401, 401]
