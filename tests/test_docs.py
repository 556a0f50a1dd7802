"""What the pages name is there: files and headings they link to, commands, options, settings, metrics, log lines."""

from __future__ import annotations

import argparse
import functools
import re
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from phantomgate.cli.main import COMMANDS
from phantomgate.config.settings import LISTS, SECTIONS
from phantomgate.core.nouns import fields

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
)
KEYS = {section: {field.name for field in fields(shape)} for section, shape in {**SECTIONS, **LISTS}.items()}
NOT_SETTINGS = ("toml", "py", "yaml", "yml", "md", "json", "jsonl", "js", "lua", "conf", "sh", "com", "sock")
"""What a name with a dot ends in, when it is that of a file or a host."""


def pages():
    """Each page as a case of its own."""
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if page.exists()]


@functools.cache
def text_of(page):
    return page.read_text()


def without_code(text):
    return re.sub(r"^( *)```.*?^\1```", "", text, flags=re.MULTILINE | re.DOTALL)


@functools.cache
def anchors(page):
    """The names of the headings of *page*, as the usual viewers make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", without_code(text_of(page)), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.add(next(f"{name}{end}" for end in ["", *(f"-{n}" for n in range(1, 99))] if f"{name}{end}" not in found))
    return found


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_somewhere(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text_of(page))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)

    assert [] == broken


@functools.cache
def options(command):
    """All options of *command*, of its subcommands too."""
    parser = argparse.ArgumentParser()
    import_module(f"phantomgate.cli.{command}").add(parser)
    found, todo = set(), [parser]
    while todo:
        for action in todo.pop()._actions:
            found.update(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                found.update(action.choices)
                todo.extend(action.choices.values())
    return found


def commands_in(page):
    """The words behind each `phantomgate` that is written there as a command."""
    text = text_of(page).replace("\\\n", " ")
    for line in re.findall(r"(?:^|[`/(]|[;&|] )phantomgate +([a-z]+[^`\n#|]*)", code(text), re.MULTILINE):
        yield re.split(r"&&|[;)]", line)[0].split()


@pytest.mark.parametrize("page", pages())
def test_commands_and_their_options_exist(page):
    unknown = []
    for command, *words in commands_in(page):
        if command not in COMMANDS:
            unknown.append(command)
            continue
        unknown += [
            f"{command} {word}"
            for word in (word.partition("=")[0] for word in words)
            if word.startswith("--") and word not in options(command)
        ]

    assert [] == unknown


def test_explain_is_given_a_whole_request():
    given = [words for page in PAGES if page.exists() for words in commands_in(page) if words[0] == "explain"]

    assert [] == [words for words in given if {"--method", "--header"} & {*words} and "--path" not in words]


def code(text):
    """Blocks of shell and what stands between backticks, a piece a line."""
    blocks = re.findall(r"^ *```(?:sh|console)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [re.sub(r"^ *(?:\$ )?(?:[A-Z_]+=\S+ )*", "", line) for block in blocks for line in block.splitlines()]
    return "\n".join([*lines, *(f"`{inline}`" for inline in re.findall(r"`([^`\n]+)`", without_code(text)))])


def test_init_is_named_with_gateways_that_it_has():
    named = {name for page in PAGES for name in re.findall(r"phantomgate init ([a-z][\w-]*)", text_of(page))}

    assert set() == {name for name in named if name not in options("init")}


def settings_named(text):
    """Every `section.key` between backticks, and every key of a block of TOML that reads as settings."""
    for inline in re.findall(r"`([^`\n]+)`", without_code(text)):
        if found := re.match(r"([a-z_]+)\.([a-z_]+)(?:$| = )", inline):
            section, key = found.groups()
            if section in KEYS and key not in NOT_SETTINGS:
                yield section, key
    for block in re.findall(r"^ *```toml\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        for section, table in tomllib.loads(block).items():
            for one in table if isinstance(table, list) else [table]:
                if isinstance(one, dict):
                    yield from ((section, key) for key in one)
    for section, key in re.findall(r"PHANTOMGATE__([A-Z_]+?)__([A-Z_]+)", text):
        if section != "SECTION":
            yield section.lower(), key.lower()


@pytest.mark.parametrize("page", [page for page in pages() if "src" not in page.id.split("/")])
def test_settings_exist(page):
    unknown = {f"{section}.{key}" for section, key in settings_named(text_of(page)) if key not in KEYS.get(section, ())}

    assert set() == unknown


def test_metrics_are_those_of_the_reference():
    told = set(re.findall(r"^\| `(phantomgate_\w+)`", text_of(ROOT / "docs/reference/metrics.md"), re.MULTILINE))
    metric = re.compile(r"`(phantomgate_[a-z_]+_(?:total|seconds|state|ready|failed))")
    named = {name for page in PAGES for name in metric.findall(text_of(page))}

    assert set() == named - told


def test_lines_of_the_log_are_written_somewhere():
    row = re.compile(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| (?:debug|info|warning|error)", re.MULTILINE)
    told = {
        event for events in row.findall(text_of(ROOT / "docs/reference/log.md")) for event in re.findall(r"\w+", events)
    }
    source = "\n".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))

    assert set() == {event for event in told if f'"{event}"' not in source}


def said(source: str) -> set[str]:
    """The lines of the log that this code writes."""
    calls = r"(?:\.say\(\s*Level\.\w+|LogLine\(\s*[\w()]+,\s*[\w.]+),\s*\"([a-z_]+)\""
    return set(re.findall(calls, source))


def test_lines_that_are_written_are_in_the_reference():
    told = set(re.findall(r"`([a-z_]+)`", text_of(ROOT / "docs/reference/log.md")))
    written = {event for file in (ROOT / "src").rglob("*.py") for event in said(file.read_text())}

    assert len(written) > 15
    assert set() == written - told


def test_each_alert_links_to_what_it_means_and_what_to_do():
    rules = (ROOT / "deploy/observability/alerts.yml").read_text()
    page = "docs/how-to/troubleshooting.md"
    entries = re.split(r"^### ", text_of(ROOT / page), flags=re.MULTILINE)[1:]
    about = {entry.split("\n", 1)[0]: entry for entry in entries}
    alerts = re.findall(r"alert: (\w+)", rules)

    assert [f"{page}#{alert.lower()}" for alert in alerts] == re.findall(r"^ +runbook: (\S+)", rules, re.MULTILINE)
    assert set(alerts) == set(about)
    assert [] == [alert for alert in alerts if not re.search(r"\*\*Means\*\*.*\*\*[Dd]o\*\*", about[alert], re.DOTALL)]


def test_alerts_are_those_that_are_shipped():
    shipped = set(re.findall(r"alert: (\w+)", (ROOT / "deploy/observability/alerts.yml").read_text()))
    watched = [page for page in PAGES if not page.name.startswith("aws-")]  # where constructs are called so
    named = {name for page in watched for name in re.findall(r"`(Phantomgate[A-Z]\w+)`", text_of(page))}

    assert named
    assert set() == named - shipped
