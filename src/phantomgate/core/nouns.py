"""`dataclass` as our nouns use it, for a cold start that can't afford the standard one.

`dataclasses` compiles six functions a class and imports `inspect`; for the nouns of one decision that is a third of a
Lambda function's start. Here one function a class is compiled, `__init__`, and only for a noun that is made often; the
others are shared. Rule: whatever this gives, `dataclasses` would too (type checkers see only that one), and its
`fields`, `replace` and `asdict` work on what is made here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "field", "fields", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field, fields, replace
else:
    _MISSING: Any = object()
    _OFTEN = 50  # compiling takes as long as making about so many without
    _set = object.__setattr__

    class Field:
        """One field of a noun: what `dataclasses.Field` would say of it."""

        __slots__ = ("compare", "default", "default_factory", "init", "metadata", "name", "repr")

        def __init__(self, default, default_factory, init, repr, compare, metadata):  # noqa: A002 - its words
            self.name = ""
            self.init = init
            self.default = default
            self.default_factory = default_factory
            self.repr = repr
            self.compare = compare
            self.metadata = metadata or {}

    def field(*, default=_MISSING, default_factory=_MISSING, init=True, repr=True, compare=True, metadata=None):  # noqa: A002
        """As `dataclasses.field`. One that is not for `init` has no default either: `__post_init__` sets it."""
        return Field(default, default_factory, init, repr, compare, metadata)

    def fields(noun):
        """The fields of a noun or its class, in order."""
        return tuple((noun if isinstance(noun, type) else type(noun)).__noun_fields__.values())

    def replace(noun, /, **changes):
        """A noun that is like *noun* but for *changes*."""
        kept = {name: getattr(noun, name) for name, one in type(noun).__noun_fields__.items() if one.init}
        return type(noun)(**kept | changes)

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True):
        """As `dataclasses.dataclass`, with these parameters."""
        return (lambda one: _made(one, frozen, slots, eq)) if cls is None else _made(cls, frozen, slots, eq)

    def _made(cls, frozen, slots, eq):
        inherited = {}
        for base in reversed(cls.__mro__[1:]):
            inherited |= base.__dict__.get("__noun_fields__", {})
        own = {name: _field(cls, name) for name in cls.__annotations__}
        known = inherited | own
        body = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
        for name, one in own.items():
            if slots or one.default is _MISSING:
                body.pop(name, None)
            else:
                body[name] = one.default
        if slots:
            body["__slots__"] = tuple(own)
            body |= {"__getstate__": _state, "__setstate__": _restore}
        body |= {"__noun_fields__": known, "__dataclass_fields__": _Standard()}
        body["__match_args__"] = tuple(name for name, one in known.items() if one.init)
        for name, function in (("__init__", _init_of(cls, known, frozen)), ("__repr__", _repr)):
            body.setdefault(name, function)
        if eq:
            body.setdefault("__eq__", _eq)
            body["__hash__"] = _hash if frozen else None
        if frozen:
            body |= {"__setattr__": _no_change, "__delattr__": _no_change}
        made = type(cls)(cls.__name__, cls.__bases__, body)
        made.__qualname__ = cls.__qualname__
        return made

    def _field(cls, name):
        value = cls.__dict__.get(name, _MISSING)
        found = value if isinstance(value, Field) else Field(value, _MISSING, True, True, True, None)
        found.name = name
        return found

    def _init_of(cls, known, frozen):
        asked = {name: one for name, one in known.items() if one.init}
        names = tuple(asked)
        rest = tuple((name, one.default, one.default_factory) for name, one in asked.items())
        then = getattr(cls, "__post_init__", None)
        made = 0

        def __init__(self, *args, **kwargs):  # noqa: N807 - the real one takes its place in time
            nonlocal made
            made += 1
            if made < _OFTEN and _bound(self, names, rest, args, kwargs):
                if then:
                    then(self)
                return
            init = _compiled(asked, frozen, then)  # which also knows what to say of wrong arguments
            for kind in type(self).__mro__:
                if kind.__dict__.get("__init__") is __init__:  # unless another thread was here meanwhile
                    type.__setattr__(kind, "__init__", init)
            init(self, *args, **kwargs)

        return __init__

    def _bound(self, names, known, args, kwargs):
        """Whether the arguments fit; then they are the fields of *self*."""
        given = dict(zip(names, args), **kwargs)  # noqa: B905 - too many are seen by their count
        left = len(given)
        if left != len(args) + len(kwargs):  # too many, or one twice
            return False
        for name, value, make in known:
            if name in given:
                value = given[name]
                left -= 1
            elif value is _MISSING:
                if make is _MISSING:
                    return False
                value = make()
            _set(self, name, value)
        return not left

    def _compiled(known, frozen, then):
        scope, params, lines = {"_set": _set, "_MISSING": _MISSING, "_then": then}, [], []
        for name, one in known.items():
            value = name
            if one.default_factory is not _MISSING:
                scope[f"_make_{name}"] = one.default_factory
                params.append(f"{name}=_MISSING")
                value = f"_make_{name}() if {name} is _MISSING else {name}"
            elif one.default is not _MISSING:
                scope[f"_default_{name}"] = one.default
                params.append(f"{name}=_default_{name}")
            else:
                params.append(name)
            lines.append(f" _set(self, {name!r}, {value})" if frozen else f" self.{name} = {value}")
        lines += [" _then(self)"] if then else []
        exec(f"def __init__(self, {', '.join(params)}):\n" + ("\n".join(lines) or " pass"), scope)  # noqa: S102 - as `dataclasses`
        return scope["__init__"]

    def _repr(self):
        told = (one for one in type(self).__noun_fields__.values() if one.repr)
        return f"{type(self).__qualname__}({', '.join(f'{one.name}={getattr(self, one.name)!r}' for one in told)})"

    def _compared(self):
        return tuple([getattr(self, one.name) for one in type(self).__noun_fields__.values() if one.compare])

    def _eq(self, other):
        return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented

    def _hash(self):
        return hash(_compared(self))

    def _no_change(self, name, *_):  # noqa: ARG001 - the shape of both
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot change field {name!r}")

    def _state(self):
        return [getattr(self, name) for name in type(self).__noun_fields__]

    def _restore(self, state):
        for name, value in zip(type(self).__noun_fields__, state, strict=True):
            _set(self, name, value)

    class _Standard:
        """What `dataclasses` looks for, made when it looks."""

        def __get__(self, noun, cls):
            import dataclasses

            made = {}
            for name, one in cls.__noun_fields__.items():
                given = {"default": one.default, "default_factory": one.default_factory}
                known = {key: value for key, value in given.items() if value is not _MISSING}
                standard = dataclasses.field(
                    init=one.init, repr=one.repr, compare=one.compare, metadata=one.metadata, **known
                )
                standard.name, standard.type = name, cls.__annotations__.get(name)
                standard._field_type = dataclasses._FIELD  # noqa: SLF001 - it has no other name
                made[name] = standard
            return made
