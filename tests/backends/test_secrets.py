"""Secrets: read from where they are kept, and never shown."""

from __future__ import annotations

import pytest

from phantomgate.backends.secrets import read_secret

CANARY = "canary-5e0d"


def test_a_secret_in_a_variable_is_its_whole_value():
    assert read_secret("env:A", {"A": f" {CANARY} "}) == f" {CANARY} "


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_newline_at_the_end_of_a_file_is_not_part_of_the_secret(tmp_path, end):
    (tmp_path / "a").write_bytes(f"{CANARY}ü{end}".encode())
    assert read_secret(f"file:{tmp_path}/a", {}) == f"{CANARY}ü"


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(ValueError, match="the variable A, which is not set"):
        read_secret("env:A", {"B": CANARY})


@pytest.mark.parametrize("empty", ["", "\n"])
def test_an_empty_secret_is_no_secret(tmp_path, empty):
    (tmp_path / "a").write_text(empty)
    with pytest.raises(ValueError, match="which is empty"):
        read_secret(f"file:{tmp_path}/a", {})
    with pytest.raises(ValueError, match="the variable A, which is empty"):
        read_secret("env:A", {"A": ""})


@pytest.mark.parametrize("secret", [f"{CANARY}\n", f"{CANARY}\n{CANARY}", f"{CANARY}\0", f"\udcff{CANARY}"])
def test_a_secret_with_a_line_break_or_control_character_is_refused_and_not_shown(secret):
    with pytest.raises(ValueError, match="write the secret alone") as no:
        read_secret("env:A", {"A": secret})
    assert CANARY not in str(no.value)


def test_a_file_with_two_newlines_holds_more_than_a_secret(tmp_path):
    (tmp_path / "a").write_text(f"{CANARY}\n\n")
    with pytest.raises(ValueError, match="write the secret alone") as no:
        read_secret(f"file:{tmp_path}/a", {})
    assert CANARY not in str(no.value)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    with pytest.raises(ValueError, match=r"none', which can't be read: No such file"):
        read_secret(f"file:{tmp_path}/none", {})
    with pytest.raises(ValueError, match="can't be read: Is a directory"):
        read_secret(f"file:{tmp_path}", {})
    with pytest.raises(ValueError, match="can't be read"):
        read_secret("file:a\0b", {})


def test_a_file_that_is_no_text_is_refused_and_not_shown(tmp_path):
    (tmp_path / "a").write_bytes(CANARY.encode() + b"\xff")
    with pytest.raises(ValueError, match="is not UTF-8") as no:
        read_secret(f"file:{tmp_path}/a", {})
    assert CANARY not in str(no.value) + repr(no.value.__cause__)


def test_a_file_that_is_far_too_large_is_not_read_to_its_end(tmp_path):
    (tmp_path / "a").write_text(CANARY * 10_000)
    with pytest.raises(ValueError, match="is it the right file") as no:
        read_secret(f"file:{tmp_path}/a", {})
    assert CANARY not in str(no.value)


@pytest.mark.parametrize("reference", [CANARY, "", "vault:a"])
def test_what_is_no_reference_is_refused_and_not_shown(reference):
    with pytest.raises(ValueError, match='write "env:NAME", "file:PATH" or') as no:
        read_secret(reference, {})
    assert CANARY not in str(no.value)
