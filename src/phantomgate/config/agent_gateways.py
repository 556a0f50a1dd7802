"""How an OAuth agent that no gateway stands beside has gateways told that tokens are over: by the store of [redis].

Rule: what is written there is what the supervisor of a gateway writes for others, and read by them as such. Without
the store nobody is told, and what gateways remember ends with its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from phantomgate.agent.ports import Gateways, no_gateways
from phantomgate.config.family import BackEnds, Family
from phantomgate.config.observe import telling
from phantomgate.config.settings import Settings
from phantomgate.core.ports import Clock
from phantomgate.core.purge import Purge, mark_of, write_note

if TYPE_CHECKING:
    from phantomgate.config.log import LogLine


def gateways_by_notes(
    settings: Settings,
    environ: Mapping[str, str],
    family: Family,
    ends: BackEnds,
    write: Callable[[LogLine], None],
    *,
    now: Clock,
    ticks: Clock,
    random: Callable[[int], bytes],
) -> Gateways:
    """What tells them; what it holds is closed with *ends*. Raises ModuleNotFoundError without the library."""
    if not settings.redis.nodes:
        return no_gateways
    from phantomgate.config.revoking import by_names, mark_seconds
    from phantomgate.config.sharing import shared_secrets, sharing

    secrets, _ = shared_secrets(settings, environ)
    say = telling(write, now)
    store = sharing(settings, secrets, family, pause=ends.pause, now=now, ticks=ticks, random=random, say=say)
    ends.closing.append(store)
    secret = secrets.secret.encode()

    async def tell(purges: Sequence[Purge]) -> bool:
        marks = [mark_of(one, secret, mark_seconds(settings)) for one in by_names(settings, purges)]
        return await store.notes.tell(write_note(marks, secret)) is not None

    return tell
