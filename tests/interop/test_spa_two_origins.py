"""The single-page app on another origin than its API and its agent: one site, and CORS by phantomgate."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from interop.spa_world import spa_world

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with spa_world("development", tmp_path_factory.mktemp("spa"), two_origins=True) as world:
        yield world


def test_a_page_of_another_origin_logs_in_calls_refreshes_and_logs_out(visit):
    ann = visit()
    ann.log_in()
    ann.page.get_by_label("Order something").fill("A creaking door")
    ann.press("Order")
    expect(ann.page.locator("#orders li").last).to_contain_text("A creaking door")
    ann.world.server.expire()
    asked = [("401", "GET /api/orders"), ("204", "POST /oauth-agent/refresh"), ("200", "GET /api/orders")]
    assert asked == ann.loads_again()
    ann.press("Go where you may not")
    ann.told("You may not do that", "access_denied")
    ann.finds_no_token()
    ann.log_out()


def test_a_page_of_an_origin_that_is_not_trusted_reads_nothing(visit):
    ann = visit()
    ann.log_in()
    page = ann.context.new_page()
    page.goto(f"{ann.world.server.issuer}/jwks")
    for path in ("/api/orders", "/oauth-agent/userInfo"):
        ask = f"fetch('{ann.world.back}{path}', {{ credentials: 'include' }}).then(() => 'read', () => 'not read')"
        assert "not read" == page.evaluate(ask)
    page.close()
