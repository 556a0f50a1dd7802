"""`NamedTuple` and `Protocol` as we use them, for a cold start that can't afford those of `typing`.

A class of `typing.NamedTuple` is made twice and its `__new__` compiled; a protocol is an abstract base class with
registries that nobody asks. Rule: type checkers see the standard ones, and whatever these give, those would too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["NamedTuple", "Protocol", "hiding"]

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NamedTuple, Protocol, TypeVar

    T = TypeVar("T", bound=tuple[object, ...])
else:
    from operator import itemgetter

    class Protocol:
        """As `typing.Protocol`, which tells type checkers everything and a running program nothing."""

        __slots__ = ()

    class _Tuples(type):
        def __new__(cls, name, bases, body):
            fields = tuple(body.get("__annotations__", ()))
            defaults = {one: body[one] for one in fields if one in body}
            body |= {one: property(itemgetter(place)) for place, one in enumerate(fields)}
            body |= {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults}
            return super().__new__(cls, name, bases, body)

    class NamedTuple(tuple, metaclass=_Tuples):  # noqa: SLOT001 - its metaclass gives it some
        """As `typing.NamedTuple`."""

        def __new__(cls, /, *args, **kwargs):
            if kwargs or len(args) != len(cls._fields):
                args = cls._whole(args, kwargs)
            return tuple.__new__(cls, args)

        @classmethod
        def _whole(cls, args, kwargs):
            given = dict(zip(cls._fields, args))  # noqa: B905 - too many are seen by their count
            whole = cls._field_defaults | given | kwargs
            if len(given) < len(args) or given.keys() & kwargs.keys() or whole.keys() != set(cls._fields):
                count, names = len(args), ", ".join(kwargs)
                want = ", ".join(cls._fields)
                raise TypeError(
                    f"{cls.__name__}() was given {count} by place and {names or 'none'} by name; want {want}"
                )
            return [whole[name] for name in cls._fields]

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, /, **changes):
            return type(self)(**self._asdict() | changes)

        def __repr__(self):
            told = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({told})"

        def __getnewargs__(self):
            return tuple(self)


def hiding(*names: str) -> Callable[[type[T]], type[T]]:
    """Keeps the fields *names* of a tuple, tokens and the like, out of what it shows of itself: `field(repr=False)`."""

    def quiet(kind: type[T]) -> type[T]:
        def shown(self: T) -> str:
            told = zip(kind._fields, self, strict=True)  # type: ignore[attr-defined]  # `T` can't say "a NamedTuple"
            return f"{kind.__name__}({', '.join(f'{name}={value!r}' for name, value in told if name not in names)})"

        kind.__repr__ = shown  # type: ignore[method-assign, assignment]
        return kind

    return quiet
