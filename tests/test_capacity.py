"""The simulation of fleets: held against what can be worked out on paper, and against the product's own rules."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from closed_form import looked_up, questions
from fleet import Costs, Fleet, Seen, Traffic
from learn import kept
from planning import plan, settle
from simulation import DUE, World, simulate

from phantomgate.resolvers import cached

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "capacity.md"
TRAFFIC = Traffic(requests=2_000, tokens=5_000, lifetime=1e9)
COSTS = Costs("today", "here", hit_us=10, shared_us=100, miss_us=250, token_bytes=1000, worker_mb=50)


@pytest.mark.parametrize(
    "fleet",
    [
        Fleet(machines=1, workers=1, max_age=30, refresh_ahead=False),
        Fleet(machines=4, workers=2, max_age=30, refresh_ahead=False),
        Fleet(machines=4, workers=2, max_age=30, refresh_ahead=False, sticky=True),
        Fleet(machines=4, workers=2, max_age=30, redis=True),
    ],
    ids=["one", "eight", "spread by token", "Redis"],
)
def test_as_many_are_asked_about_as_on_paper(fleet):
    assert pytest.approx(questions(TRAFFIC, fleet), rel=0.03) == simulate(TRAFFIC, fleet).asked


def test_as_many_are_looked_up_as_on_paper():
    fleet = Fleet(machines=4, workers=2, max_age=30, redis=True)
    assert pytest.approx(looked_up(TRAFFIC, fleet), rel=0.03) == simulate(TRAFFIC, fleet).looked_up


def test_a_token_that_is_new_is_asked_about_even_if_answers_last_longer():
    traffic, fleet = Traffic(2_000, 5_000, lifetime=20), Fleet(1, 1, max_age=300, refresh_ahead=False)
    assert pytest.approx(questions(traffic, fleet), rel=0.05) == simulate(traffic, fleet).asked


def test_one_of_many_tokens_stands_for_the_others():
    fleet = Fleet(machines=2, workers=2, max_age=30)
    whole, part = simulate(TRAFFIC, fleet), simulate(TRAFFIC, fleet, most=60_000)
    assert part.scale == 3.0
    assert pytest.approx(whole.asked, rel=0.15) == part.asked


def test_a_memory_that_is_too_small_forgets():
    small = Fleet(machines=1, workers=1, max_age=30, max_entries=500, refresh_ahead=False)
    seen = simulate(TRAFFIC, small)
    assert seen.remembered <= 500
    assert seen.asked > 2 * questions(TRAFFIC, small)


def test_asking_ahead_asks_a_quarter_more_about_what_is_used_much():
    traffic = Traffic(requests=500, tokens=100, lifetime=1e9, skew=0)
    worlds = [World(traffic, Fleet(1, 1, max_age=30, refresh_ahead=on), seed=1) for on in (True, False)]
    ahead, not_ahead = (world.run(600) for world in worlds)
    assert pytest.approx(not_ahead.asked / DUE, rel=0.05) == ahead.asked
    assert ahead.misses == traffic.tokens
    assert cached.DUE == DUE


def test_a_restart_is_nothing_new_to_redis():
    world = World(TRAFFIC, Fleet(machines=2, workers=1, max_age=1e6, redis=True), seed=1)
    alone = World(TRAFFIC, Fleet(machines=2, workers=1, max_age=1e6), seed=1)
    for one in (world, alone):
        one.run(60)
        one.restart(0)
        one.restart(1)
    assert world.run(5).misses * 20 < alone.run(5).misses


def test_the_same_seed_gives_the_same():
    fleet = Fleet(machines=2, workers=2, max_age=10)
    assert simulate(TRAFFIC, fleet, seed=7) == simulate(TRAFFIC, fleet, seed=7)
    assert simulate(TRAFFIC, fleet, seed=7) != simulate(TRAFFIC, fleet, seed=8)


def test_a_plan_adds_up():
    seen = Seen(seconds=10, scale=1, hits=9_000, shared=900, misses=100, ahead=0, remembered=4_000)
    needs = plan(Traffic(requests=100_000), Fleet(machines=2, workers=2, redis=True), seen, COSTS)
    assert pytest.approx(100_000 * (0.9 * 10 + 0.09 * 100 + 0.01 * 430) / 1e6) == needs.cpus
    assert needs.machines == 4  # 2.23 busy CPUs, half busy, two each: three, and one that may be away
    assert needs.memory_mb == 2 * 50 + 2
    assert needs.asked == 10
    assert needs.redis_calls == 100 + 3 * 10


def test_the_machines_that_are_needed_are_enough_for_themselves():
    def see(traffic, fleet):
        return simulate(traffic, fleet, most=20_000)

    traffic, fleet = Traffic(100_000, 1_000_000), Fleet(workers=2, max_age=60)
    machines, needs = settle(traffic, fleet, COSTS, see)
    assert machines >= needs.machines
    fewer = replace(fleet, machines=machines - 1)
    assert plan(traffic, fewer, see(traffic, fewer), COSTS).machines > fewer.machines


def test_the_page_was_made_with_the_costs_that_are_kept():
    costs = kept()
    assert f"Measured {costs.date} on {costs.machine}." in PAGE.read_text(encoding="utf-8")
    assert f"| a decision that asks | {costs.miss_us:.0f} µs" in PAGE.read_text(encoding="utf-8")


def test_costs_are_those_of_the_newest_results(tmp_path):
    from learn import learn

    with pytest.raises(SystemExit, match='run: make bench ARGS="--only cached_decision --only shared_cache'):
        learn(tmp_path)
    rows = {
        "cached_decision": {"server": "phantomgate", "CPU us/request": "11.5", "memory MB": "61"},
        "shared_cache": {"known from Redis": "a decision", "CPU us": "80.0"},
        "miss": {"server": "phantomgate", "CPU us/miss": "1,239"},
        "memory_per_token": {"cache": "phantomgate Cached + MemoryCache", "bytes/token": "1,170"},
    }
    for date, names in (("2026-01-01 00:00 UTC", rows), ("2026-01-02 00:00 UTC", ["miss"])):
        reports = [{"name": name, "rows": [{"server": "another", "CPU us/miss": "1"}, rows[name]]} for name in names]
        said = {"environment": {"date": date, "machine": "here"}, "reports": reports}
        (tmp_path / f"{date[:10]}.json").write_text(json.dumps(said), encoding="utf-8")
    assert learn(tmp_path) == Costs("2026-01-02 00:00 UTC", "here", 11.5, 80.0, 1239.0, 1170.0, 61.0)
