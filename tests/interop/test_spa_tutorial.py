"""docs/tutorials/single-page-app.md, followed to the letter: its files and its commands, on ports that are free."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

import phantomgate as package
from demo.visiting import PATIENCE
from interop.needs import needs
from interop.nginx_server import running
from interop.processes import listens, process
from ports import free_port

pytestmark = pytest.mark.interop

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorials" / "single-page-app.md").read_text()
PORTS = ("8080", "8000", "9000", "9092")


def block(language, begin):
    """The one block of *language* that begins so."""
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", TUTORIAL, re.DOTALL) if text.startswith(begin)]
    return found


@contextmanager
def followed(folder):
    """The app of the tutorial while the block runs: its origin."""
    ports = {port: str(free_port()) for port in PORTS}

    def here(text):
        return re.sub(rf"\b({'|'.join(PORTS)})\b", lambda found: ports[found[0]], text)

    (folder / "page").mkdir()
    (folder / "world.py").write_text(here(block("python", "import asyncio")))
    (folder / "phantomgate.toml").write_text(here(block("toml", "[serve]")))
    (folder / "page" / "index.html").write_text(block("html", "<!doctype"))
    (folder / "page" / "app.js").write_text(block("js", "import"))
    shutil.copy(ROOT / "examples" / "spa" / "oauth-client.js", folder / "page")
    decide, manage = free_port(), free_port()
    environ = {
        **os.environ,
        "PYTHONPATH": str(Path(package.__file__).parents[1]),
        "PHANTOMGATE__SERVE__LISTEN": f"127.0.0.1:{decide}",
        "PHANTOMGATE__SERVE__MANAGE": f"127.0.0.1:{manage}",
        "GATEWAY_SECRET": "gateway-secret",
        "AGENT_SECRET": "my-app-secret",
        "SESSION_KEY": secrets.token_hex(32),
    }
    command = [sys.executable, "-m", "phantomgate"]
    world = process(
        [sys.executable, "world.py"],
        folder / "world.log",
        ready=lambda: "API" in (folder / "world.log").read_text(),
        cwd=folder,
        environ=environ,
    )
    with world:
        checked = subprocess.run([*command, "check"], cwd=folder, env=environ, capture_output=True, text=True)
        assert 0 == checked.returncode, checked.stdout + checked.stderr
        serve = process(
            [*command, "serve"],
            folder / "serve.log",
            ready=lambda: listens(manage) and listens(int(ports["9092"])),
            cwd=folder,
            environ=environ,
        )
        with serve:
            init = here(block("sh", "phantomgate init")).split()[1:]
            bind = ["--bind", f"127.0.0.1:{ports['8080']}"]
            subprocess.run([*command, *init, *bind], cwd=folder, env=environ, check=True)
            copy, edit, _ = block("sh", "cp .../").splitlines()
            for line in (copy.replace("...", str(ROOT)), edit):
                subprocess.run(["bash", "-c", line], cwd=folder, check=True)
            with running(folder / "nginx", int(ports["8080"])):
                yield f"http://localhost:{ports['8080']}"


def test_the_tutorial_ends_in_an_app_that_works(tmp_path, browser):
    needs("nginx")
    with followed(tmp_path) as origin:
        page = browser.new_context().new_page()
        page.set_default_timeout(PATIENCE)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(origin)
        status = page.locator("#status")
        expect(status).to_have_text("You are logged out.")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("button", name="Log in and allow").click()
        expect(status).to_have_text("Hello, Ann Example.")
        page.get_by_role("button", name="Load the orders").click()
        expect(page.locator("#orders li")).to_have_text(["A lantern", "Two yards of sheet", "A rattling chain"])
        page.get_by_role("button", name="Order a bell").click()
        expect(page.locator("#orders li").last).to_have_text("A bell")
        assert 403 == page.evaluate('fetch("/api/orders", { method: "POST" }).then((reply) => reply.status)')
        assert ["", 0, 0] == page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]")
        with page.expect_navigation(url=f"{origin}/"):  # by way of the authorization server
            page.get_by_role("button", name="Log out").click()
        expect(status).to_have_text("You are logged out.")
        assert [] == errors
        page.context.close()


def test_the_server_block_of_the_tutorial_is_what_its_commands_make(tmp_path):
    (tmp_path / "nginx").mkdir()
    example = ROOT / "deploy" / "nginx" / "spa" / "nginx.conf"
    shutil.copy(example, tmp_path / "nginx")
    _, edit, _ = block("sh", "cp .../").splitlines()
    subprocess.run(["bash", "-c", edit], cwd=tmp_path, check=True)
    made = (tmp_path / "nginx" / "nginx.conf").read_text().replace(str(tmp_path), "/home/you/my-app")
    assert block("nginx", "        include phantomgate-server.conf;") in made


def test_what_nginx_says_about_the_page_is_what_the_demo_says():
    from phantomgate.demo.order_desk import HEADERS

    shipped = dict(re.findall(r'add_header (\S+) "?([^"\n]+?)"? always;', (ROOT / "examples/spa/spa.conf").read_text()))
    assert {**HEADERS, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"} == {
        name: value for name, value in shipped.items() if name != "Strict-Transport-Security"
    }
