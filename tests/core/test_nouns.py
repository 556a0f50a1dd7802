"""Our `dataclass` beside the standard one: whatever ours gives, that would give too."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Generic, TypeVar

import pytest

from phantomgate.core import nouns

T = TypeVar("T")


def both(**how):
    """The same class made by both."""
    made = []
    for kit in (nouns, dataclasses):

        @kit.dataclass(**how)
        class Noun:
            """A noun."""

            name: str
            secret: str = kit.field(default="s", repr=False)
            many: list = kit.field(default_factory=list)
            seen: int = kit.field(default=0, compare=False)

            def twice(self) -> str:
                return self.name * 2

        made.append(Noun)
    return made


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("slots", [True, False])
@pytest.mark.parametrize("eq", [True, False])
def test_it_behaves_as_the_standard_one(frozen, slots, eq):
    ours, theirs = both(frozen=frozen, slots=slots, eq=eq)

    assert repr(theirs("a")) == repr(ours("a"))
    assert "secret" not in repr(ours("a"))
    assert (theirs("a") == theirs("a", seen=1)) is (ours("a") == ours("a", seen=1)) is eq
    assert (theirs("a") == theirs("b")) is (ours("a") == ours("b"))
    assert ours("a") != theirs("a")
    assert (theirs.__hash__ is None) is (ours.__hash__ is None)
    assert ours("a").many is not ours("a").many
    assert "aa" == ours("a").twice()
    assert ("__dict__" in dir(theirs("a"))) is ("__dict__" in dir(ours("a")))
    assert theirs.__match_args__ == ours.__match_args__
    assert theirs.__qualname__ == ours.__qualname__
    assert theirs.__doc__ == ours.__doc__
    for wrong in ((), ("a", "b", [], 0, 1)):
        with pytest.raises(TypeError):
            ours(*wrong)
    with pytest.raises(TypeError):
        ours("a", other=1)


def test_what_is_frozen_stays_as_it_is():
    ours, _ = both(frozen=True, slots=True)
    noun = ours("a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        noun.name = "b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del noun.name

    assert "a" == noun.name


def test_what_is_not_frozen_can_change_and_has_no_other_fields():
    ours, _ = both(slots=True)
    noun = ours("a")
    noun.name = "b"
    with pytest.raises(AttributeError):
        noun.other = 1

    assert "b" == noun.name


def test_the_standard_tools_work_on_it():
    ours, _ = both(frozen=True, slots=True)
    noun = ours("a")

    assert dataclasses.is_dataclass(noun)
    assert ["name", "secret", "many", "seen"] == [one.name for one in dataclasses.fields(noun)]
    assert {"name": "a", "secret": "s", "many": [], "seen": 0} == dataclasses.asdict(noun)
    assert "b" == dataclasses.replace(noun, name="b").name


def test_so_do_its_own():
    ours, _ = both(frozen=True, slots=True)
    changed = nouns.replace(ours("a", many=[1]), name="b")

    assert ("b", [1]) == (changed.name, changed.many)
    assert ["name", "secret", "many", "seen"] == [one.name for one in nouns.fields(changed)]
    assert [one.name for one in nouns.fields(ours)] == [one.name for one in nouns.fields(changed)]


@nouns.dataclass(frozen=True, slots=True)
class Kept:
    name: str
    number: int = 1


@nouns.dataclass(frozen=True, slots=True)
class More(Kept):
    """Has the fields of its base first."""

    number: int = 2
    other: str = ""


@nouns.dataclass(frozen=True, slots=True)
class Typed(Generic[T]):
    value: T


def test_it_can_be_copied():
    kept = Kept("a", 2)

    assert kept == copy.copy(kept) == copy.deepcopy(kept)
    assert kept == Kept.__new__(Kept).__class__(*kept.__getstate__())


def test_it_can_be_pickled():
    from phantomgate.config.loading import Sources

    sources = Sources("toml", "file", {"A": "b"})
    assert sources == pickle.loads(pickle.dumps(sources))  # noqa: S301 - our own


def test_fields_are_inherited_and_may_be_said_anew():
    more = More("a", other="b")

    assert ("a", 2, "b") == (more.name, more.number, more.other)
    assert 1 == Kept("a").number
    assert More("a") != Kept("a")


def test_what_is_generic_stays_so():
    assert 7 == Typed[int](7).value


def test_threads_may_make_the_first_one_together():
    ours, _ = both(frozen=True, slots=True)
    stub = ours.__init__
    first, second = ours.__new__(ours), ours.__new__(ours)
    stub(first, "a")
    stub(second, "b")  # a thread that had looked it up before the other put the real one in its place

    assert ("a", "b", "c") == (first.name, second.name, ours("c").name)


def test_one_that_is_made_often_is_made_as_the_first_was():
    ours, theirs = both(frozen=True, slots=True)
    made = [ours("a", many=[number], seen=1) for number in range(200)]

    assert [repr(theirs("a", many=[number], seen=1)) for number in range(200)] == [repr(one) for one in made]
    assert ours.__init__ is not both(frozen=True, slots=True)[0].__init__
    for wrong in ((), ("a", "b", [], 0, 1)):
        with pytest.raises(TypeError):
            ours(*wrong)


@pytest.mark.parametrize("times", [1, 200])
@pytest.mark.parametrize("wrong", [{}, {"name": "a", "other": 1}, {"secret": "b"}])
def test_arguments_that_do_not_fit_are_told_in_the_standard_words(times, wrong):
    ours, theirs = both(frozen=True)
    for _ in range(times):
        with pytest.raises(TypeError) as said:
            ours(**wrong)
    with pytest.raises(TypeError) as standard:
        theirs(**wrong)

    assert str(standard.value).partition("()")[2] == str(said.value).partition("()")[2]


@pytest.mark.parametrize("kit", [nouns, dataclasses])
def test_what_is_worked_out_from_the_rest_is_set_afterwards(kit):
    @kit.dataclass(frozen=True, slots=True)
    class Worked:
        number: int
        twice: int = kit.field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "twice", 2 * self.number)

    made = [Worked(2) for _ in range(200)]

    assert {4} == {one.twice for one in made}
    assert ("number",) == Worked.__match_args__
    assert 6 == kit.replace(made[0], number=3).twice
    with pytest.raises(TypeError):
        Worked(2, 4)


def test_two_equal_nouns_are_one_key():
    assert 1 == len({Kept("a"), Kept("a")})
    with pytest.raises(TypeError):
        hash(both(slots=True)[0]("a"))
