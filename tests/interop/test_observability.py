"""deploy/observability as shipped, on the figures of a real service: what promtool, Prometheus and Chromium say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from demo.visiting import CONTRAST, PATIENCE, WATCH
from interop.needs import command, needs
from phantomgate.cli.main import main
from ports import free_port
from servers.authorization import authorization_server
from servers.process import serving, settings

pytestmark = pytest.mark.interop
SHIPPED = Path(__file__).parents[2] / "deploy" / "observability"
DASHBOARD = json.loads((SHIPPED / "dashboard.json").read_text())
PURGE = {"PURGE": "canary-secret-of-thirty-two-characters"}
EXPRESSIONS = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
VIEWS = {"phone dark": (390, 844, "dark"), "desk light": (1280, 900, "light"),
         "phone light": (390, 844, "light"), "desk dark": (1280, 900, "dark")}  # fmt: skip


@contextmanager
def traffic(service):
    """Requests, some of them bad, until the block ends."""
    over = threading.Event()

    def ask() -> None:
        number = 0
        while not over.wait(0.01):
            number += 1
            for token in ("good", f"good-{number}", f"bad-{number}", None):
                service.get("/decide/orders", token)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service that has something to tell."""
    folder = tmp_path_factory.mktemp("observed")
    text = f'[revocation]\nsecret = "env:PURGE"\nlisten = "127.0.0.1:{free_port()}"\n'
    with authorization_server() as endpoint, serving(folder, settings(endpoint, workers=2) + text, also=PURGE) as made:
        made.until_ready()
        made.folder = folder
        with traffic(made):
            made.until(lambda: made.metrics().get('phantomgate_decisions_total{outcome="allowed"}', 0) > 20)
        yield made


@pytest.mark.parametrize("words", [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"],
                                   ["check", "config", "prometheus.yml"]])  # fmt: skip
def test_promtool_finds_nothing_wrong(words):
    needs("promtool")
    run = subprocess.run([command("promtool"), *words], cwd=SHIPPED, capture_output=True, text=True, timeout=300)
    assert 0 == run.returncode, run.stdout + run.stderr


def test_promtool_takes_what_we_expose(service):
    needs("promtool")
    _, _, body = service.get("/metrics", listener="manage")
    run = subprocess.run([command("promtool"), "check", "metrics"], input=body, capture_output=True, timeout=300)
    assert b"" == run.stdout + run.stderr


def test_every_metric_of_the_dashboard_and_the_rules_is_one_of_ours(service):
    text = service.get("/metrics", listener="manage")[2].decode()
    exposed = set(re.findall(r"^(phantomgate_\w+)", text, re.MULTILINE))
    for text in [*(expr for _, expr in EXPRESSIONS), (SHIPPED / "alerts.yml").read_text()]:
        assert set(re.findall(r"\bphantomgate_\w+", text)) <= exposed


def test_every_alert_has_a_remedy_and_is_tried():
    rules, tried = (SHIPPED / "alerts.yml").read_text(), (SHIPPED / "alerts_test.yml").read_text()
    alerts = re.findall(r"alert: (\w+)", rules)
    assert len(alerts) == rules.count("remedy:") == rules.count("severity:")
    assert [] == [alert for alert in alerts if f'alertname="{alert}"' not in tried]


def test_each_panel_of_the_dashboard_shows_something_of_a_service_that_is_watched(service, tmp_path):
    needs("Prometheus")
    watched = (SHIPPED / "prometheus.yml").read_text().replace("127.0.0.1:9091", service.started["manage"])
    (tmp_path / "prometheus.yml").write_text(watched.replace("15s", "1s"))
    shutil.copy(SHIPPED / "alerts.yml", tmp_path)
    address = f"127.0.0.1:{free_port()}"
    prometheus = subprocess.Popen(
        [command("prometheus"), f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
         f"--web.listen-address={address}", "--log.level=error"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def query(expr: str) -> list[object]:
        wanted = expr.replace("$instance", ".*").replace("$__rate_interval", "10s")
        url = f"http://{address}/api/v1/query?query={urllib.parse.quote(wanted)}"
        with urllib.request.urlopen(url, timeout=60) as reply:
            said = json.load(reply)
        assert "success" == said["status"], said
        return said["data"]["result"]

    def scraped() -> bool:
        try:
            return float(query("max(count_over_time(phantomgate_ready[1m]))")[0]["value"][1]) >= 4
        except (OSError, IndexError):
            return False

    try:
        with traffic(service):
            service.until(scraped)
            empty = {title for title, expr in EXPRESSIONS if not query(expr)}
        assert set() == empty
    finally:
        prometheus.terminate()
        prometheus.wait(60)


@pytest.fixture(scope="module")
def browser():
    needs("Chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=command("chromium"), args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    # It asks every two seconds: an answer that is still being made up when its page is gone fails the next test.
    page.unroute_all(behavior="wait")
    page.close()


@pytest.mark.parametrize("view", VIEWS)
def test_the_page_shows_what_happens_and_what_to_do_about_it(browser, service, view):
    made = service
    width, height, scheme = VIEWS[view]
    hosts, complaints = set(), []
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.add_init_script(WATCH)
    page.on("request", lambda request: hosts.add(urllib.parse.urlsplit(request.url).netloc))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with traffic(made):
        page.goto(f"http://{made.started['manage']}/")
        for words in (["--sub", "canary-alice"], ["--client-id", "canary-app"]):
            assert 0 == main(["purge", "--config", str(made.folder / "phantomgate.toml"), *words], PURGE)
        expect(page.locator("#state")).to_have_text("ready, 2 workers")
        expect(page.locator("#decisions")).not_to_have_text(re.compile("^([^0-9]|0)$"))
        expect(page.locator("#hits")).to_contain_text("%")
        expect(page.locator("#latency")).to_have_text(re.compile(r"^[0-9.]+ m?s$"))
        expect(page.locator("#refusals")).to_contain_text("missing credential")
        expect(page.locator("#refusals")).to_contain_text("The client must send Authorization: Bearer TOKEN")
        expect(page.locator("#servers")).to_contain_text("breaker closed")
        expect(page.locator("#purges li").first).to_contain_text(
            re.compile(r"1 client.*by a purge call.*everywhere.* s ago")
        )
        expect(page.locator("#purges li").nth(1)).to_contain_text("1 person")
    assert "canary" not in page.content()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [] == page.evaluate(CONTRAST)
    if folder := os.environ.get("PHANTOMGATE_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/operator {view}.png", full_page=True)
    assert [] == complaints
    assert [] == page.evaluate("window.violations")
    assert {made.started["manage"]} == hosts
    context.close()


def test_every_kind_of_purge_has_words_and_what_is_unknown_is_shown_as_text(page, service):
    given = [
        {"at": 1.0, "ago": 1.0, "how": "agent", "kinds": {"sid": 1, "nameless": 2}, "everywhere": True},
        {"at": 1.0, "ago": 600.0, "how": "logout", "kinds": {"token": 3}, "everywhere": False},
        {"at": 1.0, "ago": 9000.0, "how": "<b>x</b>", "kinds": {"<i>y</i>": 1}, "everywhere": True},
    ]

    def told(route):
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"purges": given})

    page.route("**/status", told)
    page.goto(f"http://{service.started['manage']}/")
    first, second, third = (page.locator("#purges li").nth(number) for number in range(3))
    expect(first).to_contain_text("1 session; 2 people, in tokens that name no session")
    expect(first).to_contain_text("by the OAuth agent")
    expect(second).to_contain_text("3 tokens")
    expect(second).to_contain_text("not everywhere: to be told again")
    expect(second).to_contain_text("10 min ago")
    expect(third).to_contain_text("1 <i>y</i>")
    expect(third).to_contain_text("<b>x</b>")
    assert [] == page.evaluate(CONTRAST)
    if folder := os.environ.get("PHANTOMGATE_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/operator purges.png", full_page=True)


def test_an_outage_is_seen_on_the_page_and_in_the_figures_and_an_end_on_the_page(page, tmp_path):
    with ExitStack() as running:
        with authorization_server() as endpoint:
            made = running.enter_context(serving(tmp_path, settings(endpoint)))
            made.until_ready()
        page.goto(f"http://{made.started['manage']}/")
        for number in range(8):
            assert 503 == made.get("/decide/orders", f"good-{number}")[0]
        expect(page.locator("#servers")).to_contain_text("breaker open")
        expect(page.locator("#refusals")).to_contain_text("unavailable")
        assert [] == page.evaluate(CONTRAST)
        if folder := os.environ.get("PHANTOMGATE_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/operator outage.png", full_page=True)
        figures = made.metrics()
        assert 1 <= figures['phantomgate_breaker_opened_total{issuer="introspection"}']
        calls = 'phantomgate_authorization_server_calls_total{issuer="introspection",result="%s"}'
        assert 5 <= figures[calls % "no_connection"] + figures[calls % "cut_off"]
        assert {"introspection"} == {line["issuer"] for line in made.lines("breaker_opened")}
        made.end()
        expect(page.locator("#state")).to_have_text("no answer; these figures are old")


def test_settings_that_cant_be_used_are_on_the_page_until_they_can(page, service):
    trouble = {
        "succeeded": 3,
        "failed": 1,
        "good_since": 1_800_000_000.0,
        "trouble": "policy.scopes is <b>7</b>; want a list",
    }
    told = [trouble, {**trouble, "trouble": ""}, {**trouble, "succeeded": 0, "failed": 0, "trouble": ""}]

    def answered(route):
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"reloads": told[0]})

    page.route("**/status", answered)
    page.goto(f"http://{service.started['manage']}/")
    expect(page.locator("#settings")).to_contain_text(
        "in force; as they are now, they can't be used: policy.scopes is <b>7</b>"
    )
    expect(page.locator("#state")).to_have_text("ready, 2 workers")
    assert [] == page.evaluate(CONTRAST)
    if folder := os.environ.get("PHANTOMGATE_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/operator reload.png", full_page=True)
    told.pop(0)
    expect(page.locator("#settings")).to_have_text(re.compile("^settings of [0-9 :-]+$"))
    told.pop(0)
    expect(page.locator("#settings")).to_be_hidden()
