"""What is bundled with a function, and which of two answers wins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.config.dotenv import read_dotenv
from phantomgate.config.function import load_function
from phantomgate.core.errors import SettingsError

DOTENV = """\
# what the zip of the Node authorizer holds
HOST=login.example.com
INTROSPECTION_PATH = /oauth/v2/oauth-introspect   # here
export CLIENT_ID='gateway'
CLIENT_SECRET="pass # word\\n"
SCOPE=read
"""
TOML = """\
[introspection]
endpoint = "https://as.example/i"
client_id = "x"
client_secret = "env:X"
[aws]
cache_ttl = "1m"
"""


def test_a_bundled_dotenv_is_read_and_its_secret_warned_of(tmp_path):
    (tmp_path / ".env").write_text(DOTENV)
    function = load_function({"LAMBDA_TASK_ROOT": str(tmp_path)})

    assert "https://login.example.com:443/oauth/v2/oauth-introspect" == function.settings.introspection.endpoint
    assert "pass # word\n" == function.environ["CLIENT_SECRET"]
    assert ["CLIENT_SECRET"] == [warning.setting for warning in function.warnings]
    assert "# word" not in repr(function)


def test_a_bundled_reference_to_a_secret_is_no_secret(tmp_path):
    lines = ("ENDPOINT=https://as.example/i", "CLIENT_ID=g", "CLIENT_SECRET=aws-sm:prod/gateway#client_secret")
    (tmp_path / ".env").write_text("".join(f"PHANTOMGATE__INTROSPECTION__{line}\n" for line in lines))

    assert () == load_function({"LAMBDA_TASK_ROOT": str(tmp_path)}).warnings


def test_the_environment_wins_over_it(tmp_path):
    (tmp_path / ".env").write_text(DOTENV)
    function = load_function({"LAMBDA_TASK_ROOT": str(tmp_path), "HOST": "other.example", "CLIENT_SECRET": "s"})

    assert "https://other.example:443/oauth/v2/oauth-introspect" == function.settings.introspection.endpoint
    assert "s" == function.environ["CLIENT_SECRET"]
    assert () == function.warnings


@pytest.mark.parametrize("text", ["", " "])
def test_a_variable_that_is_empty_takes_nothing_away_from_it(text, tmp_path):
    (tmp_path / ".env").write_text(f"{DOTENV}PHANTOMGATE__POLICY__AUDIENCES=orders\n")
    with pytest.raises(SettingsError) as no:
        load_function({"LAMBDA_TASK_ROOT": str(tmp_path), "PHANTOMGATE__POLICY__AUDIENCES": text})
    [problem] = no.value.problems

    assert ("PHANTOMGATE__POLICY__AUDIENCES", "environment") == (problem.setting, problem.origin)
    assert "would take away what the bundled .env says" in problem.message


def test_without_a_task_root_nothing_bundled_is_looked_for(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text(DOTENV)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError):
        load_function({})


def test_a_bundled_file_of_ours_is_read_and_variables_win(tmp_path):
    (tmp_path / "phantomgate.toml").write_text(TOML)
    environ = {"LAMBDA_TASK_ROOT": str(tmp_path), "PHANTOMGATE__INTROSPECTION__CLIENT_ID": "y"}
    settings = load_function(environ).settings

    assert ("y", 60.0) == (settings.introspection.client_id, settings.aws.cache_ttl)


def test_another_file_can_be_named(tmp_path):
    (tmp_path / "other.toml").write_text(TOML)

    assert 60.0 == load_function({"PHANTOMGATE_CONFIG": str(tmp_path / "other.toml")}).settings.aws.cache_ttl
    with pytest.raises(SettingsError, match="can't be read"):
        load_function({"PHANTOMGATE_CONFIG": str(tmp_path / "none.toml")})


def test_a_file_of_ours_and_variables_of_theirs_contradict_each_other(tmp_path):
    (tmp_path / "phantomgate.toml").write_text(TOML)
    (tmp_path / ".env").write_text(DOTENV)
    with pytest.raises(SettingsError, match="keep one"):
        load_function({"LAMBDA_TASK_ROOT": str(tmp_path)})


@pytest.mark.parametrize("toml", ["[aws]\ncache_ttl = '0s'\n", "[policy]\nscopes = ['a']\n", ""])
def test_a_file_about_something_else_does_not(tmp_path, toml):
    (tmp_path / "phantomgate.toml").write_text(toml)
    (tmp_path / ".env").write_text(DOTENV)

    assert load_function({"LAMBDA_TASK_ROOT": str(tmp_path)}).settings.introspection.endpoint


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("phantomgate.toml", b"[introspection", "not valid TOML"),
        ("phantomgate.toml", b"\xff", "not UTF-8"),
        (".env", b"\xff", "not UTF-8"),
        (".env", b"A=b\n" * 20000, "is over"),
    ],
)
def test_a_bundled_file_that_cannot_be_read_is_a_problem(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SettingsError, match=said):
        load_function({"LAMBDA_TASK_ROOT": str(tmp_path)})


def test_certificates_named_in_a_dotenv_are_those_that_are_believed(tmp_path):
    (tmp_path / ".env").write_text(DOTENV + "SSL_CERT_FILE=/var/task/ca.pem\n")

    assert "/var/task/ca.pem" == load_function({"LAMBDA_TASK_ROOT": str(tmp_path)}).settings.introspection.ca_file
    own = {"LAMBDA_TASK_ROOT": str(tmp_path), "SSL_CERT_FILE": "/etc/ca.pem"}
    assert "" == load_function(own).settings.introspection.ca_file


def test_certificates_named_in_a_dotenv_are_none_of_settings_that_ask_nobody(tmp_path):
    (tmp_path / ".env").write_text("JWKS_URI=https://as.example/jwks\nRESOURCE=*\nSSL_CERT_FILE=/var/task/ca.pem\n")

    function = load_function({"LAMBDA_TASK_ROOT": str(tmp_path)})

    assert "https://as.example/jwks" == function.settings.aws.keys
    assert "SSL_CERT_FILE" in [warning.setting for warning in function.warnings]


def test_every_problem_is_told_at_once_by_the_name_that_was_written(tmp_path):
    (tmp_path / ".env").write_text(DOTENV.replace("SCOPE=read", 'SCOPE=a"b') + "PHANTOMGATE__LOG__LEVEL=loud\n")
    with pytest.raises(SettingsError) as no:
        load_function({"LAMBDA_TASK_ROOT": str(tmp_path)})

    assert {"SCOPE", "PHANTOMGATE__LOG__LEVEL"} == {problem.origin for problem in no.value.problems}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=b", {"A": "b"}),
        ("\ufeffA=b\r\nB=c", {"A": "b", "B": "c"}),
        ("A=", {"A": ""}),
        ("A=b\rB=c", {"A": "b", "B": "c"}),
        ("A=b\u2028c", {"A": "b\u2028c"}),
        ("A = b c # d", {"A": "b c"}),
        ("A = # d", {"A": ""}),
        ("A=b#c", {"A": "b#c"}),
        ("A=#b", {"A": "#b"}),
        ("A=b#c\t#d", {"A": "b#c"}),
        ('A="b"c"', {"A": 'b"c'}),
        ("A='it's' # d", {"A": "'it's'"}),
        ('A="b # c" # "d"', {"A": "b # c"}),
        ("A=\"'b'\"", {"A": "'b'"}),
        ('A="b', {"A": '"b'}),
        ('A=b"', {"A": 'b"'}),
        ('A="', {"A": '"'}),
        ("A='b\\nc'", {"A": "b\\nc"}),
        ('A="b\\rc"', {"A": "b\\rc"}),
        ("A=b=c", {"A": "b=c"}),
        ("A='b # c'", {"A": "b # c"}),
        ('A="b\\nc" # d', {"A": "b\nc"}),
        ("A=`b'c`", {"A": "b'c"}),
        ("A=''", {"A": ""}),
        ("A=$B", {"A": "$B"}),
        ("A=b\nA=c", {"A": "c"}),
        ("no variable", {}),
        ("1A=b", {}),
        ("#A=b", {}),
    ],
)
def test_a_dotenv_is_read_as_dotenv_reads_it(text, found):
    assert found == read_dotenv(text)


def test_a_long_dotenv_of_nothing_takes_no_time():
    assert {"A": "b"} == read_dotenv("\n" * 65_000 + "A=b")


@given(st.text())
def test_no_dotenv_raises(text):
    read_dotenv(text)
