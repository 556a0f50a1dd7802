"""The settings of the OAuth agent as a Lambda function.

Rule: as `function`. Lambda runs as many processes as there are requests at a time, so they must share their state; what
only an authorizer would mind is nothing to the agent.
"""

from __future__ import annotations

from collections.abc import Mapping

from phantomgate.config.agent_checks import shares_state
from phantomgate.config.agent_wiring import NAME, draft_agent
from phantomgate.config.function import Function, bundled_secrets, bundled_sources
from phantomgate.core.errors import Problem, SettingsError


def load_agent(environ: Mapping[str, str]) -> Function:
    """The settings in *environ* and beside the code. Raises SettingsError with every problem."""
    bundled, merged, sources = bundled_sources(environ)
    settings, problems = draft_agent(sources)
    if not settings.has_agent:
        problems.append(Problem(NAME, "is missing; write issuer and the others under [agent]", settings.origin("")))
    elif not shares_state(settings):
        text = (
            'is "memory", and each of Lambda\'s many processes has one of its own: a refresh would be done twice, and \
a session that was ended would live on; write state = "dynamodb:TABLE" under [agent], or "redis"'
        )
        problems.append(Problem("agent.state", text, settings.origin("agent.state")))
    if problems:
        raise SettingsError(problems)
    return Function(settings, merged, tuple(bundled_secrets(bundled, environ)))
