"""The authorization server that services are asked beside, and how it is let go on."""

from __future__ import annotations

import pytest

from servers.authorization import authorization_server


@pytest.fixture(scope="module")
def endpoint():
    with authorization_server() as url:
        yield url


@pytest.fixture
def go_on(endpoint):
    """Lets the authorization server answer about those whom it holds up."""
    endpoint.go_on.clear()
    endpoint.held.clear()
    yield endpoint.go_on
    endpoint.go_on.set()
