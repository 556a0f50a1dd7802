"""Whoever judges the fault run: what must be refused from when on, and that a fleet that is broken is found."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from math import inf
from pathlib import Path

import pytest

from chaos import table
from chaos.__main__ import NEEDED
from chaos.facts import new_key
from chaos.faults import FAULTS
from chaos.fleet import CODE
from chaos.judge import Judge, Spell
from chaos.oracle import Oracle, Presented
from chaos.population import WEIGHTS, Population
from chaos.realm import Realm
from interop.needs import needs

NOW = 1000.0


def token(**more):
    return Presented("known", "Bearer t", good=True, subject="ann", until=2000.0, kept=60.0, **more)


def over(one, oracle=None, at=NOW):
    """From when on it must be refused: by a gateway that asks each time, and by one that remembers."""
    oracle = Oracle() if oracle is None else oracle
    return oracle.over(one, at, remembers=False), oracle.over(one, at, remembers=True)


def test_what_was_never_good_is_refused_always():
    assert (-inf, -inf) == over(Presented("unknown", "Bearer x"))


def test_what_expires_is_over_at_once_and_where_nginx_remembers_in_its_second():
    assert (2000.0, 2001.0) == over(token())


def test_what_was_revoked_is_over_when_the_answer_may_be_kept_no_longer():
    assert (1060.0, 1061.0) == over(token(revoked=NOW))
    assert (2000.0, 2001.0) == over(token(revoked=NOW, asked=False))  # nobody is asked about a JWT


def test_what_was_purged_is_over_in_a_second():
    assert (1001.0, 1062.0) == over(token(purged=NOW))
    assert (1001.0, 1061.0) == over(token(revoked=NOW, purged=NOW))


@pytest.mark.parametrize(
    ("spans", "heard"),
    [
        ([], 1001.0),
        ([(990.0, 999.0)], 1001.0),
        ([(990.0, 1000.5)], 1001.5),
        ([(1000.9, 1010.0)], 1011.0),
        ([(1001.5, 1010.0)], 1001.0),
        ([(990.0, 1005.0), (1005.5, 1008.0)], 1009.0),
        ([(990.0, inf)], inf),
    ],
)
def test_a_second_begins_when_the_last_machine_can_hear(spans, heard):
    assert heard == Oracle(deaf=spans).heard(NOW)


def test_a_clock_that_is_behind_lets_in_what_has_expired_for_so_long_and_no_other():
    oracle = Oracle(behind=[(900.0, 1100.0, 20.0)])
    assert (2020.0, 2021.0 + 0.0) == over(token(), oracle)
    assert (2000.0, 2021.0) == over(token(), oracle, at=1110.0)
    assert (2000.0, 2001.0) == over(token(), oracle, at=1130.0)


def test_a_key_that_was_taken_back_is_over_with_the_key_set():
    oracle = Oracle(taken_back={"k1": NOW})
    assert (1060.0, 1061.0) == over(token(kid="k1"), oracle)
    assert (2000.0, 2001.0) == over(token(kid="k2"), oracle)
    oracle.unasked.append((1050.0, 1070.0))
    assert (1100.0, 1101.0) == over(token(kid="k1"), oracle)


@pytest.fixture
def judge(tmp_path):
    oracle = Oracle()
    return Judge(oracle, Population(random.Random(1), Realm(tmp_path / "facts.json", oracle)))


def judged(judge, one, status, subject="ann", ago=0.0):
    spell = Spell("fault")
    judge.answered(spell, one, one.kind, time.monotonic() - ago, status, subject, remembers=False)
    return spell


def good(**more):
    return Presented("known", "Bearer t", good=True, subject="ann", kept=60.0, **more)


def test_letting_in_whoever_is_over_is_wrong_whatever_else_happens(judge):
    now = time.monotonic()
    assert 0 == judged(judge, good(), 200).wrong_allows
    assert 1 == judged(judge, good(purged=now - 1.5), 200).wrong_allows
    assert 0 == judged(judge, good(purged=now - 1.5), 200, ago=1.0).wrong_allows  # it came before
    assert 1 == judged(judge, Presented("unknown", "Bearer x"), 204).wrong_allows


def test_letting_in_with_another_s_jwt_is_wrong(judge):
    assert 1 == judged(judge, good(), 200, subject="bob").wrong_allows


def test_refusing_a_good_token_is_wrong_and_not_being_there_is_not_being_available(judge):
    refused, away = judged(judge, good(), 401), judged(judge, good(), 503)
    assert (1, 0.0) == (refused.wrong_refusals, refused.share("known"))
    assert (0, 0.0, 1) == (away.wrong_refusals, away.share("known"), len(away.failed))
    assert 0 == judged(judge, good(revoked=0.0), 401).wrong_refusals
    assert 0 == judged(judge, good(revoked=0.0), 503).asked["known"]


def test_every_kind_of_credential_comes_and_the_seed_says_in_which_order(tmp_path):
    def kinds(seed):
        population = Population(random.Random(seed), Realm(tmp_path / "facts.json", Oracle()))
        population.steal(new_key("k0"))
        return [population.next().kind.replace("known", "new") for _ in range(600)]

    assert {kind.replace("known", "new") for kind in WEIGHTS} == set(kinds(1))
    assert kinds(2) == kinds(2) != kinds(3)


def test_the_table_in_the_docs_has_every_fault_and_nobody_was_let_in_wrongly():
    rows = table.committed()
    expected = {(kind, fault.name) for fault in FAULTS for kind in fault.stores}
    assert expected == {(row[0], row[1]) for row in rows}
    assert {"0"} == {row[3] for row in rows}


def fault_run(*words):
    return subprocess.run(
        [sys.executable, "-m", "chaos", *words],
        capture_output=True,
        text=True,
        timeout=300,
        cwd="/",
        env={**CODE, **PATH},
    )


PATH = {"PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


@pytest.mark.slow
@pytest.mark.interop
def test_a_short_run_is_as_promised():
    needs(*NEEDED)
    done = fault_run("--short", "--seed", "1")
    assert (0, True) == (done.returncode, "everything as promised" in done.stdout), done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.interop
@pytest.mark.parametrize(("how", "what"), [("open", "let in as somebody else"), ("deaf", "let in: purged")])
def test_a_fleet_that_is_broken_is_found(how, what):
    needs(*NEEDED)
    done = fault_run("--short", "--only", "nothing", "--seconds", "14", "--rate", "240", "--seed", "1", "--broken", how)
    assert (1, True) == (done.returncode, "NOT AS PROMISED" in done.stdout), done.stdout + done.stderr
    assert what in done.stdout
