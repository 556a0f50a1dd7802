"""The HTTP client under test, once per family."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import aiohttp.abc
import pytest

from http_clients import FAMILIES, family
from phantomgate.backends.blocking import finish
from phantomgate.core.ports import HttpCall


def question(url, *, timeout=60.0, body=b"token=secret-token", **more):
    """A call as introspection makes it."""
    headers = (("Authorization", "Basic c2VjcmV0"), ("Accept", "application/jwt"))
    return HttpCall("POST", url, headers, body, timeout, **more)


class Client:
    """One `Http` with its driver."""

    def __init__(self, drive, make, **options):
        self.drive = drive
        self.http = make(**options)

    def send(self, call):
        return self.drive(self.http.send(call))

    def post(self, url, **options):
        """A call as introspection makes it."""
        return self.send(question(url, **options))

    def post_together(self, urls):
        """The statuses of several calls at a time: in threads, or in tasks."""
        return [reply.status for reply in self._together([question(url) for url in urls])]

    def bodies_together(self, url, bodies):
        """What comes back when each of *bodies* is sent, all at a time."""
        return [reply.body for reply in self._together([question(url, body=body) for body in bodies])]

    def _together(self, calls):
        if self.drive is finish:
            with ThreadPoolExecutor(len(calls)) as threads:
                return list(threads.map(self.send, calls))

        async def all_of_them():
            return await asyncio.gather(*map(self.http.send, calls))

        return self.drive(all_of_them())


@pytest.fixture(params=FAMILIES)
def family_name(request):
    """Which family is under test."""
    return request.param


@pytest.fixture
def make_client(family_name):
    """Makes clients of one family, with the options given."""
    with family(family_name) as (drive, make):
        yield lambda **options: Client(drive, make, **options)


@pytest.fixture
def client(make_client):
    return make_client()


class Resolver(aiohttp.abc.AbstractResolver):
    """aiohttp's view of a table of addresses."""

    def __init__(self, answer):
        self.answer = answer

    async def resolve(self, host, port=0, family=socket.AF_INET):
        if self.answer == "hangs":
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return [
            {"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for address in self.answer
        ]

    async def close(self):
        """Nothing is open."""


@pytest.fixture
def resolving(family_name):
    """The options that make a client of this family resolve every name to *answer*: addresses, an error, "hangs"."""
    hanging = threading.Event()

    def look_up(answer):
        def addresses(host, port, **_):
            if answer == "hangs":
                hanging.wait()
            if isinstance(answer, Exception):
                raise answer
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in answer]

        return addresses

    yield lambda answer: {"lookup": look_up(answer)} if family_name == "blocking" else {"resolver": Resolver(answer)}
    hanging.set()
