"""Sessions whose tokens go upstream as their cookies seal them, and who is asked about bearer tokens beside them.

Rule: imported where `aws.forward_sealed` is on, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping

from phantomgate.config.asking import Client
from phantomgate.config.issuing import Made, make
from phantomgate.config.settings import Introspection
from phantomgate.config.tools import Tools
from phantomgate.resolvers.sealed import AsSealed


def make_sealed(tools: Tools, clients: Mapping[str, Client]) -> Made:
    """What `make` makes of the settings, for bearer tokens alone; nobody, where they name nobody."""
    settings = tools.settings
    if settings.introspection == Introspection() and not settings.aws.keys:
        return Made(AsSealed(None, tools.marks), None, ())
    made = make(tools, clients)
    return made._replace(resolver=AsSealed(made.resolver, tools.marks))
