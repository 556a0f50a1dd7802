"""A server that is missing is never missed in silence."""

from __future__ import annotations

import pytest

from interop.needs import installed, needs

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


def test_an_environment_that_holds_something_else_than_its_requirements_is_not_there(tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    (tmp_path / "requirements.txt").write_text("one==2")
    folder = str(tmp_path)  # absolute, so it is not looked for beside the others

    assert not installed(folder)
    (tmp_path / ".venv" / "installed.txt").write_text("one==1")
    assert not installed(folder)
    (tmp_path / ".venv" / "installed.txt").write_text("one==2")
    assert installed(folder)
