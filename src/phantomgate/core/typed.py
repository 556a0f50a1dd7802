"""`NamedTuple` and `Protocol` as we use them, for a cold start that can't afford those of `typing`.

A class of `typing.NamedTuple` is made twice and its `__new__` compiled; a protocol is an abstract base class with
registries that nobody asks. Rule: type checkers see the standard ones, and whatever these give, those would too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["NamedTuple", "Protocol"]

if TYPE_CHECKING:
    from typing import NamedTuple, Protocol
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
