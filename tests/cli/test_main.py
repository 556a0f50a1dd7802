"""The command table: what is asked for runs, what is wrong goes to stderr with the right exit code."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from phantomgate import __version__
from phantomgate.cli.main import COMMANDS, exit_code, main


def test_without_a_command_the_commands_are_listed(capsys):
    with pytest.raises(SystemExit) as ended:
        main([], {})
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for name, summary in COMMANDS.items():
        assert name in said
        assert summary.split()[0] in said


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"], {})
    assert (ended.value.code, capsys.readouterr().out) == (0, f"phantomgate {__version__}\n")


@pytest.mark.parametrize("words", [["sreve"], ["keygen", "--bits"], ["check", "--config"]])
def test_a_command_line_that_is_wrong_is_2_and_says_so_on_stderr(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words, {})
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: phantomgate" in err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches_with_an_example(name, capsys):
    if find_spec(f"phantomgate.cli.{name}") is None:
        pytest.fail(f"phantomgate.cli.{name} is in the table but not there")
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"], {})
    assert ended.value.code == 0
    assert capsys.readouterr().out.count(f"phantomgate {name}") >= 2  # the usage, and an example


def test_settings_with_problems_are_2_and_on_stderr(capsys):
    assert main(["explain", "--path", "/"], {"PHANTOMGATE__SERVE__WORKERS": "0"}) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "serve.workers" in err
    assert "PHANTOMGATE__SERVE__WORKERS" in err


def test_a_command_imports_no_other():
    code = (
        "import sys; from phantomgate.cli.main import main; main(['keygen'], {});"
        "print([name for name in sys.modules if name.startswith('phantomgate.cli.')])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "['phantomgate.cli.main', 'phantomgate.cli.keygen']" in said


@pytest.mark.parametrize(
    ("library", "extra"),
    [("aiohttp", "serve"), ("uvloop.loop", "serve"), ("cryptography", "jwt"), ("joserfc", "jwt"), ("redis", "redis")],
)
def test_a_missing_library_is_named_with_its_remedy(library, extra, capsys):
    assert exit_code(_raising(ModuleNotFoundError("no", name=library))) == 2
    out, err = capsys.readouterr()
    assert (out, f"pip install 'phantomgate[{extra}]'" in err) == ("", True)


def test_a_missing_part_of_ours_is_not_hidden():
    with pytest.raises(ModuleNotFoundError):
        exit_code(_raising(ModuleNotFoundError("no", name="phantomgate.nowhere")))


def test_an_interrupted_command_is_130():
    assert exit_code(_raising(KeyboardInterrupt())) == 130


def _raising(error):
    def act():
        raise error

    return act


def test_the_package_is_the_command():
    done = subprocess.run([sys.executable, "-m", "phantomgate", "keygen"], capture_output=True, text=True, check=True)
    assert len(done.stdout.strip()) == 64
    assert done.stderr == ""
