"""From a TOML file and environment variables to `Settings`, or every problem at once."""

from __future__ import annotations

import os
from collections.abc import Mapping


def process_environ() -> Mapping[str, str]:
    """The environment of this process: the one place where it is read, apart from secrets."""
    return os.environ
