"""A server that is missing is never missed in silence."""

from __future__ import annotations

import pytest

from interop.needs import needs

SERVERS = {"here": lambda: True, "gone": lambda: None, "away": lambda: False}


def test_with_all_servers_a_test_goes_on():
    needs("here", servers=SERVERS, environ={"CI": "true"})


def test_without_one_it_is_skipped_and_the_server_named():
    with pytest.raises(pytest.skip.Exception, match="needs gone and away"):
        needs("here", "gone", "away", servers=SERVERS, environ={})


@pytest.mark.parametrize("ci", ["true", "TRUE", "1"])
def test_in_ci_it_fails(ci):
    with pytest.raises(pytest.fail.Exception, match="needs gone"):
        needs("gone", servers=SERVERS, environ={"CI": ci})
