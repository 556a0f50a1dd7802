"""A worker's settings: what becomes of what the first are made into."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from phantomgate.config.log import Log
from phantomgate.servers.renewing import Renewing

SETTINGS = """
[introspection]
endpoint = "https://login.example.com/introspect"
client_id = "api"
client_secret = "env:SECRET"

[policy]
scopes = ["read"]
"""


@pytest.fixture
def thawed():
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
def test_what_is_there_from_the_start_is_left_out_of_garbage_collections_and_what_comes_later_is_not():
    class Made:
        pass

    async def make(settings, keeping):
        return Made()

    async def main():
        sources = {"toml_text": SETTINGS, "origin": "phantomgate.toml", "environ": {}}
        renewing = Renewing(make, Log(2, now=time.time), environ={"SECRET": "s"})
        first = await renewing.first({"sources": sources})
        frozen = gc.get_freeze_count()
        await renewing.prepare({"sources": sources})
        later = renewing.prepared
        renewing.swap()
        collected = gc.get_objects()
        return frozen > 0, any(one is first for one in collected), any(one is later for one in collected)

    assert (True, False, True) == asyncio.run(main())
