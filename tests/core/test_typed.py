"""Our `NamedTuple` beside the standard one."""

from __future__ import annotations

import copy
import pickle
import typing

import pytest

from phantomgate.core.errors import Problem
from phantomgate.core.typed import NamedTuple


class Ours(NamedTuple):
    """A place."""

    host: str
    port: int = 443

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"


class Theirs(typing.NamedTuple):
    """A place."""

    host: str
    port: int = 443

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"


@pytest.mark.parametrize(
    ("args", "kwargs"), [(("a",), {}), (("a", 1), {}), (("a",), {"port": 1}), ((), {"port": 1, "host": "a"})]
)
def test_it_is_the_same_tuple(args, kwargs):
    ours, theirs = Ours(*args, **kwargs), Theirs(*args, **kwargs)

    assert theirs == ours
    assert hash(theirs) == hash(ours)
    assert repr(theirs) == repr(ours).replace("Ours", "Theirs")
    assert (theirs.host, theirs.port, theirs.name) == (ours.host, ours.port, ours.name)
    assert (theirs._asdict(), theirs._fields) == (ours._asdict(), ours._fields)
    assert theirs._replace(port=2) == ours._replace(port=2)
    assert isinstance(ours._replace(port=2), Ours)
    assert Theirs.__match_args__ == Ours.__match_args__
    assert Theirs.__doc__ == Ours.__doc__


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), (("a", 1, 2), {}), (("a",), {"host": "b"}), (("a",), {"other": 1}), ((), {"port": 1})],
)
def test_arguments_that_do_not_fit_make_none(args, kwargs):
    for kind in (Ours, Theirs):
        with pytest.raises(TypeError):
            kind(*args, **kwargs)


def test_nothing_can_be_changed_or_added():
    for name in ("host", "other"):
        with pytest.raises(AttributeError):
            setattr(Ours("a"), name, "b")
    with pytest.raises(TypeError):
        Ours("a")._replace(other=1)


def test_it_can_be_copied_and_pickled():
    problem = Problem("a", "b", "c")

    assert problem == copy.deepcopy(problem) == pickle.loads(pickle.dumps(problem))  # noqa: S301 - our own
    assert isinstance(copy.copy(problem), Problem)
