"""What is planned for: the traffic, the machines that meet it, and what each thing they do costs. Nouns only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traffic:
    """What comes: *requests* a second, by *tokens* that are in use at any time."""

    requests: float = 10_000.0
    tokens: int = 200_000
    lifetime: float = 3600.0
    """Seconds that an access token lasts. Each is followed by a new one, so `tokens / lifetime` a second are new."""
    skew: float = 0.8
    """Zipf's exponent: 0 uses all tokens alike; about 1 is what popularity of users and pages looks like."""

    @property
    def churn(self) -> float:
        """New tokens a second."""
        return self.tokens / self.lifetime


@dataclass(frozen=True, slots=True)
class Fleet:
    """What meets it. The names are those of the settings, where there is one."""

    machines: int = 4
    workers: int = 4
    """Of each machine."""
    max_age: float = 300.0
    max_entries: int = 1_000_000
    """Of each machine; its workers share them out."""
    redis: bool = False
    refresh_ahead: bool = True
    """Has no effect with `redis`, as in the product."""
    sticky: bool = False
    """Whether the gateway sends a token to the same worker each time, instead of to anyone."""

    @property
    def memories(self) -> int:
        """How many workers there are, each of which remembers for itself."""
        return self.machines * self.workers


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured: microseconds of CPU, and bytes. `learn` reads them from the benchmarks' results."""

    date: str
    machine: str
    hit_us: float
    shared_us: float
    """A decision whose token another machine has asked about: the whole of it, as the others are."""
    miss_us: float
    token_bytes: float
    worker_mb: float

    def of_miss(self, *, redis: bool) -> float:
        """Microseconds of a decision that asks the authorization server, and with a store looks and keeps there too."""
        return self.miss_us + (2 * (self.shared_us - self.hit_us) if redis else 0.0)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a simulation counted in *seconds*, each in requests but for *ahead*: questions that nobody waited for."""

    seconds: float
    scale: float
    """How many tokens one simulated token stands for."""
    hits: int
    shared: int
    misses: int
    ahead: int
    remembered: int
    """Tokens in all memories together at the end."""

    @property
    def requests(self) -> int:
        """All of them."""
        return self.hits + self.shared + self.misses

    @property
    def in_memory(self) -> float:
        """Of all requests, those that a worker's memory answered."""
        return self.hits / self.requests

    @property
    def in_redis(self) -> float:
        """Of the requests that no memory answered, those that Redis did."""
        return self.shared / max(self.shared + self.misses, 1)

    @property
    def asked(self) -> float:
        """Questions to the authorization server a second."""
        return (self.misses + self.ahead) * self.scale / self.seconds

    @property
    def looked_up(self) -> float:
        """Look-ups in Redis a second, when there is one."""
        return (self.shared + self.misses) * self.scale / self.seconds
