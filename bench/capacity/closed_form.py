"""What can be worked out without a simulation, to hold the simulation against.

A token that is used at random moments, *rate* times a second, and remembered for *seconds* from the moment it was asked
about: one question, then `rate * seconds` requests that find the answer, then the next question (renewal theory; it is
the TTL approximation of caches, and exact where nothing is pushed out).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp

from fleet import Fleet, Traffic


def questions(traffic: Traffic, fleet: Fleet) -> float:
    """Questions to the authorization server a second, of memories that are large enough and nothing asked ahead."""
    asking = 1 if fleet.redis or fleet.sticky else fleet.memories
    return sum(asking * _each(rate / asking, fleet.max_age, traffic.lifetime) for rate in rates(traffic))


def looked_up(traffic: Traffic, fleet: Fleet) -> float:
    """Requests a second that no worker's memory answers, of a fleet with a store.

    What comes from the store ends when it would for whoever asked. So while one answer lasts, each worker that is met
    at all looks once.
    """
    each, others = fleet.max_age, 0 if fleet.sticky else fleet.memories - 1
    return sum(
        (1 + others * (1 - exp(-rate * each / (others + 1)))) * _each(rate, each, traffic.lifetime)
        for rate in rates(traffic)
    )


def rates(traffic: Traffic) -> Iterator[float]:
    """How many requests a second come by each token, the most used first."""
    weights = [(rank + 1) ** -traffic.skew for rank in range(traffic.tokens)]
    total = sum(weights)
    return (traffic.requests * weight / total for weight in weights)


def _each(rate: float, seconds: float, lifetime: float) -> float:
    """Questions a second about one token, each life of which begins with nothing remembered.

    Within a life of *lifetime* questions begin anew every `seconds + 1 / rate` on average; the first one waits for the
    first use. A life that is many times *seconds* long makes the edges small.
    """
    if lifetime <= seconds:  # one question a life, if it is used at all
        return (1.0 - exp(-rate * lifetime)) / lifetime
    return 1.0 / (seconds + 1.0 / rate)
