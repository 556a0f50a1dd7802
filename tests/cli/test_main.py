"""The command table: what is asked for runs, what is wrong goes to stderr with the right exit code."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from phantomgate import __version__
from phantomgate.cli.gateways import GATEWAYS
from phantomgate.cli.init import PAGES
from phantomgate.cli.main import COMMANDS, exit_code, main
from processes import SOURCES, python


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


@pytest.mark.parametrize("name", [name for name in COMMANDS if find_spec(f"phantomgate.cli.{name}")])
def test_every_command_teaches_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"], {})
    assert ended.value.code == 0
    assert capsys.readouterr().out.count(f"phantomgate {name}") >= 2  # the usage, and an example


SAID = """
import sys
from phantomgate.cli.gateways import GATEWAYS
from phantomgate.cli.main import COMMANDS, main
for words in [[], *([name] for name in COMMANDS), *(["init", name] for name in GATEWAYS)]:
    print("\\f" + " ".join(words), flush=True)
    try:
        main([*words, "--help"], {})
    except SystemExit:
        pass
"""


def test_every_help_fits_a_terminal_of_80_columns_and_says_the_exit_codes():
    said = dict(one.split("\n", 1) for one in python("-c", SAID, COLUMNS="80").stdout.split("\f")[1:])

    assert len(said) > 25
    assert [] == [line for text in said.values() for line in text.splitlines() if len(line) > 80]
    assert [""] == [words for words, text in said.items() if "exit codes:\n  0  " not in text]
    assert [] == [words for words, text in said.items() if f"\n  phantomgate {words}" not in text]


def test_the_page_that_the_help_of_a_gateway_names_is_there():
    pages = Path(__file__).parents[2] / "docs" / "how-to"

    assert [] == [name for name in GATEWAYS if not (pages / f"{PAGES.get(name, name)}.md").is_file()]


def test_settings_with_problems_are_2_and_on_stderr(capsys):
    assert main(["explain", "--path", "/"], {"PHANTOMGATE__SERVE__WORKERS": "0"}) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "serve.workers" in err
    assert "PHANTOMGATE__SERVE__WORKERS" in err


def test_a_command_imports_no_other():
    code = (
        "import sys; from phantomgate.cli.main import COMMANDS, main; main(['keygen'], {});"
        "print([name for name in COMMANDS if f'phantomgate.cli.{name}' in sys.modules])"
    )
    assert python("-c", code).stdout.endswith("['keygen']\n")


@pytest.mark.parametrize(
    ("library", "extra"),
    [
        ("aiohttp", "serve"),
        ("uvloop.loop", "serve"),
        ("cryptography", "jwt"),
        ("joserfc", "jwt"),
        ("redis", "redis"),
        ("yaml", "aws"),
        ("uvicorn", "agent"),
        ("grpc", "grpc"),
        ("opentelemetry.sdk", "otel"),
    ],
)
def test_a_missing_library_is_named_with_its_remedy(library, extra, capsys):
    assert exit_code(_raising(ModuleNotFoundError("no", name=library))) == 2
    out, err = capsys.readouterr()
    assert (out, f"pip install 'phantomgate[{extra}]'" in err) == ("", True)


def test_a_library_that_a_command_is_made_of_is_named_too():
    code = (
        "import sys; sys.modules['joserfc'] = None; from phantomgate.cli.main import main; sys.exit(main(['demo'], {}))"
    )
    done = python("-c", code)
    assert (2, "") == (done.returncode, done.stdout)
    assert "this needs joserfc, which is not installed; try: pip install 'phantomgate[jwt]'\n" == done.stderr


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
    done = python("-m", "phantomgate", "keygen")
    assert (done.returncode, len(done.stdout.strip()), done.stderr) == (0, 64, "")


def test_the_exit_code_reaches_the_shell():
    done = python("-m", "phantomgate", "check", PHANTOMGATE__SERVE__WORKERS="two")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'is "two"; want a whole number from 1 to 256  (PHANTOMGATE__SERVE__WORKERS)' in done.stderr


def test_a_reader_who_has_seen_enough_is_no_error_of_ours():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "phantomgate", "keygen"]
    environ = {"PYTHONPATH": SOURCES}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, cwd="/", env=environ)
    os.close(writing)

    assert (141, b"") == (done.returncode, done.stderr)


def test_the_reference_has_a_section_for_every_command():
    text = (Path(__file__).parents[2] / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"\n## `phantomgate {name}`\n" in text


@pytest.mark.parametrize("name", ["check", "explain", "keygen", "probe"])
def test_the_reference_names_every_option(name, capsys):
    text = (Path(__file__).parents[2] / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        main([name, "--help"], {})
    section = text.split("## `phantomgate", 1)[0] + text.split(f"## `phantomgate {name}`")[1].split("\n## ")[0]
    for option in set(re.findall(r"--[a-z-]+[a-z]", capsys.readouterr().out)) - {"--help"}:
        assert option in section


def run(*words, **streams):
    """A process of its own; bytes, and nothing of this one's environment."""
    environ = {"PYTHONPATH": SOURCES, **streams.pop("environ", {})}
    command = [sys.executable, "-m", "phantomgate", *words]
    return subprocess.run(command, check=False, cwd="/", env=environ, **{"stderr": subprocess.PIPE, **streams})


@pytest.mark.parametrize("words", [["check", "--help"], ["keygen"], ["--version"]])
def test_help_that_nobody_reads_to_its_end_is_no_error_of_ours(words):
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*words, stdout=writing)
    os.close(writing)
    assert (141, b"") == (done.returncode, done.stderr)


def test_problems_that_nobody_reads_to_their_end_are_no_error_of_ours():
    reading, writing = os.pipe()
    os.close(reading)
    done = run("check", "--config", "nowhere.toml", stdout=subprocess.PIPE, stderr=writing)
    os.close(writing)
    assert (141, b"") == (done.returncode, done.stdout)


@pytest.mark.parametrize(("words", "unbuffered"), [(["keygen"], ""), (["keygen"], "1"), (["keygen", "--help"], "")])
def test_a_disk_that_is_full_is_said(words, unbuffered):
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = run(*words, stdout=full, environ={"PYTHONUNBUFFERED": unbuffered})
    assert (2, b"the result can't be written: No space left on device\n") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["keygen"], 0),
        (["check", "--config", "nowhere.toml"], 2),
        (["explain"], 2),
        (["purge", "--token-file", "-"], 2),
    ],
)
def test_closed_standard_streams_are_no_traceback(words, code):
    script = 'exec "$@" <&- >&-'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", sys.executable, "-m", "phantomgate", *words],
        stderr=subprocess.PIPE, check=False, cwd="/", env={"PYTHONPATH": SOURCES, **ASKING},
    )  # fmt: skip
    assert (code, False) == (done.returncode, b"Traceback" in done.stderr)


ASKING = {
    "PHANTOMGATE__INTROSPECTION__ENDPOINT": "http://127.0.0.1:1/introspect",
    "PHANTOMGATE__INTROSPECTION__CLIENT_ID": "gateway",
    "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": "env:CANARY",
    "PHANTOMGATE__REVOCATION__SECRET": "env:CANARY",
    "CANARY": "a-secret-of-more-than-32-characters-x",
}


@pytest.mark.parametrize("encoding", ["ascii:strict", "utf-8:strict", "latin-1:strict"])
@pytest.mark.parametrize("name", [b"\xff.toml", "\u65e5.toml".encode()])
def test_a_name_that_a_locale_lacks_is_escaped(name, encoding, tmp_path):
    file = os.fsencode(tmp_path) + b"/" + name
    with open(file, "w") as config:  # noqa: PTH123 - a name in bytes
        config.write("")
    environ = {**ASKING, "PYTHONIOENCODING": encoding}
    done = run("check", "--config", file, stdout=subprocess.PIPE, environ=environ)
    assert 1 == done.returncode
    assert b"settings: good (" in done.stdout
    assert b"Traceback" not in done.stderr


def test_an_interrupt_on_the_way_leaves_no_traceback():
    process = subprocess.Popen(
        [sys.executable, "-m", "phantomgate", "explain"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd="/", env={"PYTHONPATH": SOURCES, **ASKING, "PYTHONVERBOSE": ""},
    )  # fmt: skip
    wchan = Path(f"/proc/{process.pid}/syscall")
    deadline = time.monotonic() + 120
    while not wchan.read_text().startswith("0 0x0 "):  # read(0, ...)
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (130, b"", b"") == (process.returncode, out, err)
