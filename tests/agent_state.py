"""What every store that several processes share must do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ANN, BEN = b"a" * 32, b"b" * 32
OURS, THEIRS = b"o" * 16, b"t" * 16


def assert_remembers(run: Callable[..., Any], one: Any, other: Any, pause: Callable[[float], None]) -> None:
    """*one* and *other* are the same store as two processes have it; *run* runs a coroutine."""
    assert run(one.get(ANN)) is None
    run(one.put(ANN, b"\0record\xff", 20.0))
    run(one.put(BEN, b"", 20.0))
    assert [b"\0record\xff", b""] == [run(other.get(ANN)), run(other.get(BEN))]
    run(other.put(ANN, b"a newer one", 20.0))
    assert b"a newer one" == run(one.get(ANN))

    assert [True, False, False] == [run(store.first(b"f" * 32, 20.0)) for store in (one, other, one)]

    assert run(one.claim(ANN, OURS, 20.0))
    assert not run(other.claim(ANN, THEIRS, 20.0))
    assert run(one.claim(ANN, OURS, 20.0))  # asked twice, as when a connection ends under it
    run(other.release(ANN, THEIRS))
    assert not run(other.claim(ANN, THEIRS, 20.0))
    assert b"a newer one" == run(one.get(ANN))  # a claim is no record
    run(one.release(ANN, OURS))
    run(one.release(ANN, OURS))
    assert run(other.claim(ANN, THEIRS, 20.0))

    run(one.put(b"s" * 32, b"short", 0.3))
    assert run(one.first(b"g" * 32, 0.3))
    assert run(one.claim(b"c" * 32, OURS, 0.3))
    pause(0.5)
    assert run(other.get(b"s" * 32)) is None
    assert run(other.first(b"g" * 32, 20.0))
    assert run(other.claim(b"c" * 32, THEIRS, 20.0))
