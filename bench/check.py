"""Answers are checked while they are measured: a fast wrong answer is no figure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from measure import Broken
from ours import ASKED, allowed, asked_for
from servers import ask


def right(name: str, port: int, number: int, expires_at: int, *, path: str = "/decide") -> None:
    """Token *number* is allowed with its own JWT and its own subject. Raises Broken."""
    answer = ask(port, path, asked_for(number))
    expected = allowed(number, expires_at)
    seen = {field: answer.headers.get(field) for field in expected}
    if answer.status != 200 or seen != expected:
        raise Broken(f"{name}: token {number} got {answer.status} {seen}, expected 200 {expected}")
    seconds = answer.headers.get("x-accel-expires", "")
    if not seconds.isdigit() or not 0 < int(seconds) <= 7200:
        raise Broken(f"{name}: X-Accel-Expires is {seconds!r}, expected 1 to 7200 seconds")


def refuses(name: str, port: int, *, path: str = "/decide") -> None:
    """No token and an unknown token are refused. Raises Broken."""
    for what, headers in (("no", ASKED), ("an unknown", {**ASKED, "Authorization": "Bearer nobody-knows-this-one"})):
        answer = ask(port, path, headers)
        if answer.status != 401 or "authorization" in answer.headers:
            raise Broken(f"{name}: {what} token got {answer.status}, expected 401")


@contextmanager
def watched_by(check: Callable[[int], None] | None, count: int) -> Iterator[None]:
    """Call *check* with another token's number four times a second while the block runs, and once before.

    What it raises during the block is raised at its end.
    """
    if check is None:
        yield
        return
    check(0)
    over = threading.Event()
    wrong: list[Exception] = []

    def look(check: Callable[[int], None] = check) -> None:
        number = 0
        while not over.wait(0.25):
            number = (number + 271) % count
            try:
                check(number)
            except Exception as error:  # noqa: BLE001 - whatever it was, it is raised where the run can see it
                wrong.append(error)
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if wrong:
        raise wrong[0]
