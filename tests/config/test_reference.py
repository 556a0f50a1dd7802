"""The reference says what the settings say, and the files in docs are it."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from phantomgate.config.kinds import Kind
from phantomgate.config.loading import Sources, load, variable
from phantomgate.config.reference import as_markdown, as_schema, write
from phantomgate.config.settings import SECTIONS, RouteRule

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
REMEDY = "run: python -m phantomgate.config.reference docs/reference"
SETTINGS = [(cls, one) for cls in (*SECTIONS.values(), RouteRule) for one in fields(cls)]


def test_the_reference_in_docs_is_this_one():
    assert as_markdown() == (FOLDER / "settings.md").read_text(encoding="utf-8"), REMEDY


def test_the_schema_in_docs_is_this_one():
    assert as_schema() == (FOLDER / "settings.schema.json").read_text(encoding="utf-8"), REMEDY


def test_both_are_written_into_a_folder(tmp_path):
    write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["settings.md", "settings.schema.json"]


@pytest.mark.parametrize(("cls", "one"), SETTINGS, ids=[f"{cls.__name__}.{one.name}" for cls, one in SETTINGS])
def test_every_setting_has_a_kind_a_default_that_it_reads_and_a_text(cls, one):
    kind = one.metadata["kind"]
    assert isinstance(kind, Kind)
    kind.read(one.metadata["default"])
    section = json.loads(as_schema())["properties"]
    table = (
        section["routes"]["items"] if cls is RouteRule else next(section[n] for n, c in SECTIONS.items() if c is cls)
    )
    assert table["properties"][one.name]["description"].endswith(".")


def test_every_setting_is_told_with_its_variable():
    text = as_markdown()
    for section, cls in SECTIONS.items():
        assert f"## `[{section}]`" in text
        for one in fields(cls):
            assert variable(f"{section}.{one.name}") in text


def test_the_example_of_the_reference_is_good():
    toml = as_markdown().split("```toml\n")[1].split("```")[0]
    assert load(Sources(toml, "settings.md", {})).routes[0].path == "/orders/**"
