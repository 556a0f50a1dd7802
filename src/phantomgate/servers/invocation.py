"""What every Lambda function lives by: how long one invocation may wait, what its log hears, when secrets go stale.

Rule: nothing is waited for so long that no time is left to say so, and of what is wrong only the log is told why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from math import inf, isnan
from typing import Any

from phantomgate.adapters.aws_answers import Trouble
from phantomgate.backends.secrets import UNTIL
from phantomgate.config.log import Level, Log, LogLine, frames, kinds_of
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, Reason, SettingsError, Unavailable
from phantomgate.core.ports import Clock, Http

RENEWAL_SECONDS = 60.0
"""Secrets are read anew for an authorization server that refuses them, no more often than this."""
KEPT_SECONDS = 0.5
"""What is kept of an invocation's time to answer in: Lambda ends a function that has none left without a word."""
_PAST_THE_EXTENSION = {"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "0"}  # it remembers the old secrets


class Invocation:
    """The invocation at hand. State: when it ends, on the monotonic clock *ticks*; the log; when secrets were renewed.

    *environ* is read each time that settings are; *write* is the log, else it is standard error.
    """

    def __init__(
        self,
        environ: Callable[[], Mapping[str, str]],
        write: Callable[[LogLine], None] | None,
        now: Clock,
        ticks: Clock,
    ) -> None:
        self._environ, self._write = environ, write
        self._now, self._ticks = now, ticks
        self._until = inf
        self._renewed_at = -RENEWAL_SECONDS

    def begin(self, context: object) -> None:
        """By Lambda's *context*: the time that it has, less what is kept to answer in."""
        self._until = self._ticks() + _seconds(context) - KEPT_SECONDS

    def environ(self, *, fresh: bool = False) -> Mapping[str, str]:
        """The variables that settings are read from; *fresh*: and secrets from where they are kept.

        One of them says to `aws_secrets` when this invocation ends.
        """
        until = {UNTIL: str(self._now() + self._until - self._ticks())} if self._until < inf else {}
        return {**self._environ(), **(_PAST_THE_EXTENSION if fresh else {}), **until}

    def left(self) -> float:
        """Seconds, more than 0. Raises Unavailable once there are none."""
        left = self._until - self._ticks()
        if left <= 0:
            text = f"this invocation has less than {KEPT_SECONDS:g} s left, which are kept to answer in; was the \
authorization server slow, or is the function's Timeout short?"
            raise Unavailable(text, reason=Reason.OVERLOADED)  # nobody was asked
        return left

    def renews(self) -> bool:
        """Whether secrets that the authorization server refused are to be read anew now, which the log is told."""
        if self._ticks() - self._renewed_at < RENEWAL_SECONDS:
            return False
        self._renewed_at = self._ticks()
        self.say(Level.WARNING, "secrets_read_anew", detail="the authorization server refused those that we had")
        return True

    def log(self, settings: Settings) -> Callable[[LogLine], None]:
        """What writes the log; from the first *settings* on as loud as they say."""
        self._write = self._write or Log(2, now=self._now, level=Level[settings.log.level.upper()])
        return self._write

    def say(self, level: Level, event: str, **fields: Any) -> None:
        """Tell the log."""
        write = self._write or Log(2, now=self._now)
        write(LogLine(self._now(), level, event, fields))

    def warn(self, warnings: Iterable[Problem]) -> None:
        """Tell the log what is odd about the settings."""
        for one in warnings:
            self.say(Level.WARNING, "settings", setting=one.setting, detail=one.message, origin=one.origin)

    def complain(self, no: SettingsError) -> None:
        """Tell the log what is wrong with the settings."""
        shown = [f"{one.setting} {one.message} ({one.origin})" for one in no.problems]
        self.say(Level.ERROR, "settings", problems=shown)

    def trouble(self, no: Exception, what: str) -> Trouble:
        """What is raised instead of an answer: *what* could not be done; the log hears why."""
        if isinstance(no, SettingsError):
            self.complain(no)
            return Trouble("server_error: the settings of this function can't be used; its log says why")
        self.say(Level.ERROR, "not_answered", cause=kinds_of(no), trace=frames(no))  # a message may quote what it found
        return Trouble(f"server_error: {what}; the function's log says why")


class Invoked:
    """What answers events, an authorizer or an agent. Its state: the invocation; what it tells time and calls by."""

    def __init__(
        self,
        environ: Callable[[], Mapping[str, str]],
        *,
        write: Callable[[LogLine], None] | None = None,
        now: Clock = time.time,
        ticks: Clock = time.monotonic,
        http: Http | None = None,
    ) -> None:
        self._now, self._ticks, self._http = now, ticks, http
        self._invocation = Invocation(environ, write, now, ticks)


def _seconds(context: object) -> float:
    """What is left of the invocation by Lambda's *context*; no end where it doesn't say."""
    told = getattr(context, "get_remaining_time_in_millis", None)
    millis = told() if callable(told) else None
    return millis / 1000 if isinstance(millis, (int, float)) and not isnan(millis) else inf
