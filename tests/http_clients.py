"""Both HTTP back ends behind one plain `send`, so that one suite can hold them to one behaviour."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvloop

from leaks import leaks_told
from phantomgate.backends.blocking import finish
from phantomgate.backends.blocking_http import BlockingHttp
from phantomgate.backends.nonblocking import AiohttpHttp
from phantomgate.core.ports import Http

FAMILIES = ("blocking", "asyncio", "uvloop")


@contextmanager
def family(name: str) -> Iterator[tuple[Callable[..., Any], Callable[..., Http]]]:
    """How to drive a coroutine, and how to make an `Http`, in the family called *name*.

    Everything made is closed at the end, and a socket that is still open by then is an error.
    """
    made: list[Any] = []

    def make(**options: Any) -> Http:
        made.append(BlockingHttp(**options) if name == "blocking" else AiohttpHttp(**options))
        return made[-1]

    with leaks_told():
        if name == "blocking":
            yield finish, make
            for http in made:
                finish(http.close())
        else:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop if name == "uvloop" else None) as runner:
                yield runner.run, make
                for http in made:
                    runner.run(http.close())
        made.clear()
