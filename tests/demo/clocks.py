"""The real clocks, which a test may push forward: time passes, and what is measured is still real."""

from __future__ import annotations

import time


class PushedClock:
    """The state is how far it was pushed, in seconds."""

    def __init__(self):
        self.pushed = 0.0

    def now(self):
        """Unix time."""
        return time.time() + self.pushed

    def ticks(self):
        """Monotonic seconds."""
        return time.monotonic() + self.pushed
