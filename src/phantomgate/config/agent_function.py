"""The settings of the OAuth agent as a Lambda function.

Rule: as `function`. Lambda runs as many processes as there are requests at a time, so they must share their state; what
only an authorizer would mind is nothing to the agent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from phantomgate.config.agent_checks import shares_state
from phantomgate.config.agent_wiring import NAME, draft_agent
from phantomgate.config.function import (
    UNREADABLE,
    Function,
    about_known,
    bundled_secrets,
    bundled_sources,
    emptied,
)
from phantomgate.config.loading import variable
from phantomgate.core.errors import Problem, SettingsError


def load_agent(environ: Mapping[str, str]) -> Function:
    """The settings in *environ* and beside the code. Raises SettingsError with every problem."""
    function, problems = draft_agent_function(environ)
    if problems:
        raise SettingsError(problems)
    return function


def draft_agent_function(environ: Mapping[str, str], unknown: Collection[str] = ()) -> tuple[Function, list[Problem]]:
    """The settings as far as they can be read, and every problem; *unknown* as for `function.draft_function`."""
    bundled, merged, sources = bundled_sources({**environ, **dict.fromkeys(unknown, UNREADABLE)})
    settings, problems = draft_agent(sources)
    problems += emptied(bundled, environ)
    about = {name: any(one.startswith(variable(name)) for one in unknown) for name in (NAME, "agent.state")}
    if not settings.has_agent and not about[NAME]:
        problems.append(Problem(NAME, "is missing; write issuer and the others under [agent]", settings.origin("")))
    elif not shares_state(settings) and not about["agent.state"]:
        text = (
            'is "memory", and each of Lambda\'s many processes has one of its own: a refresh would be done twice, and \
a session that was ended would live on; write state = "dynamodb:TABLE" under [agent], or "redis"'
        )
        problems.append(Problem("agent.state", text, settings.origin("agent.state")))
    return Function(settings, merged, tuple(bundled_secrets(bundled, environ))), about_known(problems, unknown)
