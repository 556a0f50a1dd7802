"""One process serves the OAuth agent, and a second one is refused: what it remembers is in the memory of the first.

Rule: a process that starts while its predecessor ends waits for that, and no longer than a reload takes. Where the
processes share their state, there may be several.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from phantomgate.backends.alone import hold
from phantomgate.config.agent_checks import shares_state
from phantomgate.config.agent_wiring import name_of
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, SettingsError

PATIENCE = 10.0
"""Seconds that a predecessor has to end."""
_EVERY = 0.1


async def be_alone(settings: Settings, seconds: float = PATIENCE) -> Callable[[], None]:
    """Holds the agent's name until what is returned is called. Raises SettingsError when another process keeps it."""
    if shares_state(settings):
        return lambda: None
    name = name_of(settings)
    for _ in range(max(int(seconds / _EVERY), 1)):
        held = hold(name)
        if held is not None:
            return held.close
        await asyncio.sleep(_EVERY)
    raise SettingsError([served_elsewhere(settings)])


class Alone:
    """One process that serves an agent whose settings may change. Its state: how to give back the names."""

    def __init__(self) -> None:
        self._held: dict[str, Callable[[], None]] = {}

    async def also(self, settings: Settings) -> None:
        """Hold the name that *settings* give the agent, too. Raises SettingsError as `be_alone`."""
        name = name_of(settings)
        if name not in self._held:
            self._held[name] = await be_alone(settings, PATIENCE if not self._held else _EVERY)

    def only(self, settings: Settings) -> None:
        """Give back all other names."""
        mine = name_of(settings)
        for name in [name for name in self._held if name != mine]:
            self._held.pop(name)()

    def close(self) -> None:
        """Give back every name."""
        for held in self._held.values():
            held()
        self._held.clear()


def is_served(settings: Settings) -> bool:
    """Whether another process on this machine serves this agent now, and no other may."""
    if shares_state(settings):
        return False
    held = hold(name_of(settings))
    if held is None:
        return True
    held.close()
    return False


def served_elsewhere(settings: Settings) -> Problem:
    """That it is."""
    text = "is 1, and another process on this machine serves this agent already; what it remembers is in the memory of \
that one, so serve it in one process (uvicorn --workers 1), and end the other, or write a state that they share"
    return Problem("agent.processes", text, settings.origin("agent.processes"))
