"""From file and variables to settings, or every problem at once with its origin and a remedy."""

from __future__ import annotations

import dataclasses
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.config.loading import Sources, draft, load, load_settings, read_sources, variable
from phantomgate.config.settings import Log, RouteRule, Settings
from phantomgate.core.errors import SettingsError

GOOD = """
[introspection]
endpoint = "https://as.example/introspect"
client_id = "gateway"
client_secret = "env:SECRET"
"""
CANARY = "canary-7d1c0b"
NEEDED = {
    "PHANTOMGATE__INTROSPECTION__ENDPOINT": "https://as.example/introspect",
    "PHANTOMGATE__INTROSPECTION__CLIENT_ID": "gateway",
    "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": "env:SECRET",
}


def settings(toml: str = GOOD, **environ: str) -> Settings:
    return load(Sources(toml, "gate.toml", environ))


def problems(toml: str | None = GOOD, **environ: str) -> dict[str, tuple[str, str]]:
    """By setting: (message, origin)."""
    with pytest.raises(SettingsError) as no:
        load(Sources(toml, "gate.toml", environ))
    return {problem.setting: (problem.message, problem.origin) for problem in no.value.problems}


def test_what_is_needed_is_three_lines_and_the_rest_has_defaults():
    loaded = settings()
    assert loaded.introspection.endpoint == "https://as.example/introspect"
    assert loaded.serve == Settings().serve
    assert (loaded.cache.max_age, loaded.cache.max_bytes, loaded.cache.max_entries) == (300.0, 512 << 20, 1_000_000)


def test_every_section_is_read_from_the_file():
    loaded = settings(
        GOOD
        + """
timeout = "500ms"
[serve]
listen = "unix:/run/gate.sock"
workers = 4
nginx = true
drain = "10s"
max_header_bytes = "32KiB"
[cache]
max_age = "0s"
max_bytes = 1048576
[policy]
scopes = ["read"]
scope_strategy = "wildcard"
[[routes]]
path = "/orders/**"
methods = ["POST", "PUT"]
scopes = ["orders:write"]
[[routes]]
path = "/**"
[forward]
claims = { "X-User" = "sub" }
[log]
level = "debug"
allows = true
"""
    )
    assert loaded.introspection.timeout == 0.5
    serve = loaded.serve
    assert (serve.listen, serve.workers, serve.nginx, serve.drain) == ("unix:/run/gate.sock", 4, True, 10.0)
    assert serve.max_header_bytes == 32768
    assert (loaded.cache.max_age, loaded.cache.max_bytes) == (0.0, 1 << 20)
    assert (loaded.policy.scopes, loaded.policy.scope_strategy) == (("read",), "wildcard")
    assert loaded.routes == (RouteRule("/orders/**", ("POST", "PUT"), ("orders:write",)), RouteRule("/**"))
    assert loaded.forward.claims == {"X-User": "sub"}
    assert loaded.log == Log("debug", True)


def test_variables_alone_are_enough():
    loaded = load(
        Sources(
            None,
            "environment",
            {
                **NEEDED,
                "PHANTOMGATE__SERVE__WORKERS": "4",
                "PHANTOMGATE__SERVE__NGINX": "true",
                "PHANTOMGATE__SERVE__TRUSTED_PROXIES": "10.0.0.0/8,192.0.2.7",
                "PHANTOMGATE__CACHE__MAX_BYTES": "1048576",
                "PHANTOMGATE__POLICY__SCOPES": '["read", "write"]',
                "PHANTOMGATE__ROUTES": '[{"path": "/a", "scopes": ["a"]}]',
                "PHANTOMGATE__FORWARD__CLAIMS": '{"X-User": "sub"}',
            },
        )
    )
    assert (loaded.serve.workers, loaded.serve.nginx) == (4, True)
    assert loaded.serve.trusted_proxies == ("10.0.0.0/8", "192.0.2.7/32")
    assert loaded.cache.max_bytes == 1 << 20
    assert loaded.policy.scopes == ("read", "write")
    assert loaded.routes == (RouteRule("/a", scopes=("a",)),)
    assert loaded.forward.claims == {"X-User": "sub"}


def test_a_variable_wins_over_the_file():
    loaded = settings(GOOD + '[cache]\nmax_age = "5m"', PHANTOMGATE__CACHE__MAX_AGE="1m")
    assert loaded.cache.max_age == 60.0
    assert loaded.origin("cache.max_age") == "PHANTOMGATE__CACHE__MAX_AGE"


def test_routes_in_a_variable_replace_those_of_the_file():
    loaded = settings(GOOD + '[[routes]]\npath = "/a"', PHANTOMGATE__ROUTES='[{"path": "/b"}]')
    assert [rule.path for rule in loaded.routes] == ["/b"]
    assert loaded.origin("routes[1].path") == "PHANTOMGATE__ROUTES"


def test_a_setting_knows_where_it_was_read():
    loaded = settings()
    assert loaded.origin("introspection.endpoint") == "gate.toml"
    assert loaded.origin("cache.max_age") == "gate.toml"  # a default: the place where it would be written
    assert Settings().origin("cache.max_age") == "default"


def test_every_problem_is_told_at_once_with_its_origin():
    told = problems(
        """
        [serve]
        workers = "two"
        lisen = "127.0.0.1:1"
        trusted_proxies = ["0.0.0.0/0"]
        [introspection]
        endpoint = "http://as.example/"
        client_secret = "file:/run/secret"
        timeout = 2
        [cach]
        max_age = "1m"
        """,
        PHANTOMGATE__CACHE__MAX_AGE="5 minuts",
        PHANTOMGATE__LOG__LEVLE="info",
    )
    assert {name: origin for name, (_, origin) in told.items()} == {
        "serve.workers": "gate.toml",
        "serve.lisen": "gate.toml",
        "serve.trusted_proxies": "gate.toml",
        "introspection.endpoint": "gate.toml",
        "introspection.client_id": "gate.toml",
        "introspection.timeout": "gate.toml",
        "cach": "gate.toml",
        "cache.max_age": "PHANTOMGATE__CACHE__MAX_AGE",
        "PHANTOMGATE__LOG__LEVLE": "environment",
    }
    assert '"5 minuts", which is not a duration' in told["cache.max_age"][0]
    assert 'it needs a unit, such as "2s"' in told["introspection.timeout"][0]


@pytest.mark.parametrize(
    ("toml", "name", "meant"),
    [
        ("[serve]\nlisen = 1", "serve.lisen", "serve.listen"),
        ("[serve]\nworker = 1", "serve.worker", "serve.workers"),
        ("[serve]\nmax_age = 1", "serve.max_age", "cache.max_age"),  # the right key in the wrong section
        ("[introspektion]\nx = 1", "introspektion", "introspection"),
        ("[route]\npath = 1", "route", "routes"),
        ("[policy]\nissuer = 1", "policy.issuer", "policy.issuers"),
        ('[[routes]]\npath = "/"\nscope = []', "routes[1].scope", "routes[1].scopes"),
    ],
)
def test_an_unknown_key_is_a_problem_that_names_the_nearest(toml, name, meant):
    assert (
        f'is not a setting; did you mean "{meant}"?'
        == problems(f"{toml}\n{GOOD}" if "int" not in toml else toml)[name][0]
    )


def test_an_unknown_key_like_no_other_is_told_what_there_is():
    assert problems("[log]\ncolour = true\n" + GOOD)["log.colour"][0] == (
        "is not a setting; there are allows, allows_one_in, level"
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PHANTOMGATE__SERVE__LISEN", "PHANTOMGATE__SERVE__LISTEN"),
        ("PHANTOMGATE__MAX_AGE", "PHANTOMGATE__CACHE__MAX_AGE"),
        ("PHANTOMGATE__SERVE_LISTEN", "PHANTOMGATE__SERVE__LISTEN"),
        ("PHANTOMGATE_SERVE_LISTEN", "PHANTOMGATE__SERVE__LISTEN"),
        ("PHANTOMGATE_CACHE__MAX_AGE", "PHANTOMGATE__CACHE__MAX_AGE"),
        ("phantomgate__serve__listen", "PHANTOMGATE__SERVE__LISTEN"),
        ("PHANTOMGATE__ROUTE", "PHANTOMGATE__ROUTES"),
    ],
)
def test_an_unknown_variable_is_a_problem_that_names_the_nearest(name, meant):
    with pytest.raises(SettingsError) as no:
        load_settings(None, {**NEEDED, name: "1"})
    [problem] = no.value.problems
    assert (problem.setting, problem.origin) == (name, "environment")
    assert f'did you mean "{meant}"?' in problem.message


def test_what_kubernetes_sets_for_a_service_of_our_name_is_not_ours():
    load_settings(
        None,
        {
            **NEEDED,
            "PHANTOMGATE_SERVICE_HOST": "10.0.0.1",
            "PHANTOMGATE_PORT": "tcp://10.0.0.1:80",
            "PHANTOMGATE_PORT_80_TCP_ADDR": "10.0.0.1",
        },
    )


@pytest.mark.parametrize("name", ["endpoint", "client_id", "client_secret"])
def test_what_is_needed_and_missing_is_told_with_both_ways_to_say_it(name):
    line = next(line for line in GOOD.splitlines() if line.startswith(name))
    message, origin = problems(GOOD.replace(line, ""))[f"introspection.{name}"]
    assert f"is missing; write {name} = " in message
    assert f"PHANTOMGATE__INTROSPECTION__{name.upper()}" in message
    assert origin == "gate.toml"


def test_an_empty_secret_is_a_missing_one():
    assert "is missing" in problems(GOOD.replace("env:SECRET", ""))["introspection.client_secret"][0]


@pytest.mark.parametrize("value", [f'"{CANARY}"', f'["{CANARY}"]', f'{{ a = "{CANARY}" }}', f'"ENV:{CANARY}"'])
def test_a_secret_in_the_file_is_a_problem_and_is_not_repeated(value):
    with pytest.raises(SettingsError) as no:
        settings(GOOD.replace('"env:SECRET"', value))
    assert "introspection.client_secret" in str(no.value)
    assert CANARY not in str(no.value) + repr(no.value)


def test_a_secret_in_the_variable_of_the_setting_is_a_problem_and_is_not_repeated():
    with pytest.raises(SettingsError) as no:
        settings(PHANTOMGATE__INTROSPECTION__CLIENT_SECRET=CANARY)
    assert "which belongs in no setting or its variable" in str(no.value)
    assert "(PHANTOMGATE__INTROSPECTION__CLIENT_SECRET)" in str(no.value)
    assert CANARY not in str(no.value)


def test_a_secret_never_shows_in_the_sources():
    sources = Sources(GOOD + f'x = "{CANARY}"', "gate.toml", {"PHANTOMGATE__X": CANARY})
    assert CANARY not in repr(sources)


def test_one_mistake_in_a_section_is_one_problem():
    assert list(problems("introspection = 1")) == ["introspection"]
    assert list(problems(GOOD.replace("introspection", "introspektion"))) == ["introspektion"]


def test_a_section_that_is_no_table_is_told_how_to_write_one():
    assert problems("cache = 5\n" + GOOD)["cache"][0] == "is 5; want a table, under [cache]"


def test_routes_with_one_bracket_are_told_of_the_second():
    assert "write [[routes]], with two brackets" in problems('[routes]\npath = "/"\n' + GOOD)["routes"][0]


@pytest.mark.parametrize("text", ["{", '{"path": "/"}', "[1]", '["/a"]', "1", ""])
def test_routes_in_a_variable_are_a_json_list_of_tables(text):
    told = problems(PHANTOMGATE__ROUTES=text)
    assert [origin for _, origin in told.values()] == ["PHANTOMGATE__ROUTES"]


@pytest.mark.parametrize("rule", ["", 'path = ""', 'methods = ["GET"]'])
def test_a_route_needs_a_path(rule):
    assert "is missing; say which paths" in problems(f"{GOOD}\n[[routes]]\n{rule}")["routes[1].path"][0]


@pytest.mark.parametrize("path", ["/a/**/b/**", "/a//b", "/a/../b", "/a;b", "/{1}", "/a%2fb"])
def test_a_path_that_no_request_could_match_is_a_problem(path):
    message, origin = problems(f'{GOOD}\n[[routes]]\npath = "/a"\n[[routes]]\npath = "{path}"')["routes[2].path"]
    assert message.startswith("can't be used: ")
    assert origin == "gate.toml"


@pytest.mark.parametrize(
    "toml", ["a = ", "[serve", "x = 1\nx = 2", "[" * 5000, "a = " + "[" * 5000, "a = " + "9" * 5000]
)
def test_toml_that_is_none_is_one_problem(toml):
    told = problems(toml)
    assert list(told) == ["file"]
    assert told["file"][0].startswith("is not valid TOML")


def test_a_broken_file_does_not_hide_a_broken_variable():
    assert sorted(problems("a = ", PHANTOMGATE__SERVE__WORKERS="0")) == ["file", "serve.workers"]


def test_the_file_is_the_named_one_else_that_of_the_variable_else_the_usual(tmp_path, monkeypatch):
    for name in ("named", "variable", "phantomgate"):
        (tmp_path / f"{name}.toml").write_text(f'{GOOD}issuer = "{name}"')
    environ = {"PHANTOMGATE_CONFIG": str(tmp_path / "variable.toml")}
    monkeypatch.chdir(tmp_path)
    assert load_settings(tmp_path / "named.toml", environ).introspection.issuer == "named"
    assert load_settings(None, environ).introspection.issuer == "variable"
    assert load_settings(None, {}).introspection.issuer == "phantomgate"
    assert load_settings(None, {"PHANTOMGATE_CONFIG": ""}).introspection.issuer == "phantomgate"


def test_without_a_file_the_environment_is_the_origin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_sources(None, NEEDED) == Sources(None, "environment", NEEDED)
    with pytest.raises(SettingsError) as no:
        load_settings(None, {})
    assert {problem.origin for problem in no.value.problems} == {"environment"}


def test_a_file_that_cannot_be_read_is_one_problem_that_says_who_named_it(tmp_path):
    for path, environ, named_by in [
        (tmp_path / "none.toml", {}, "--config"),
        (tmp_path, {}, "--config"),
        (None, {"PHANTOMGATE_CONFIG": "/nowhere/a.toml"}, "PHANTOMGATE_CONFIG"),
        (None, {"PHANTOMGATE_CONFIG": "a\0b"}, "PHANTOMGATE_CONFIG"),
    ]:
        with pytest.raises(SettingsError) as no:
            read_sources(path, environ)
        [problem] = no.value.problems
        assert problem.setting == named_by
        assert "can't be read: " in problem.message


def test_a_file_that_is_no_text_is_one_problem(tmp_path):
    (tmp_path / "a.toml").write_bytes(b'x = "\xff"')
    with pytest.raises(SettingsError, match="is not UTF-8"):
        read_sources(tmp_path / "a.toml", {})


def test_a_file_that_is_far_too_large_is_not_read_to_its_end(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(SettingsError, match="is it the right file"):
        read_sources(tmp_path / "a.toml", {})


def test_sources_hold_our_variables_only_and_cross_to_another_process_whole(tmp_path):
    (tmp_path / "a.toml").write_text(GOOD)
    sources = read_sources(tmp_path / "a.toml", {"PHANTOMGATE__LOG__ALLOWS": "true", "SECRET": CANARY, "PATH": "/bin"})
    assert sources.environ == {"PHANTOMGATE__LOG__ALLOWS": "true"}
    assert pickle.loads(pickle.dumps(sources)) == sources  # noqa: S301 - our own
    assert Sources(**json.loads(json.dumps(dataclasses.asdict(sources)))) == sources
    assert load(sources) == load_settings(tmp_path / "a.toml", sources.environ)


def test_a_draft_has_what_could_be_read_and_every_problem():
    drafted, told = draft(Sources(GOOD + "[serve]\nworkers = 0\nnginx = true", "gate.toml", {}))
    assert (drafted.serve.workers, drafted.serve.nginx) == (1, True)
    assert [problem.setting for problem in told] == ["serve.workers"]


def test_a_variable_is_named_by_its_setting():
    assert variable("cache.max_age") == "PHANTOMGATE__CACHE__MAX_AGE"


NAMES = st.sampled_from(
    [
        *("serve", "introspection", "cache", "policy", "routes", "forward", "log", "listen", "workers", "endpoint"),
        *("claims", "client_secret", "max_age", "scopes", "path", "trusted_proxies", "upstream", "issuer", "\n", ""),
    ]
)
VALUES = st.recursive(
    st.one_of(
        st.text(max_size=20),
        st.integers(),
        st.floats(),
        st.booleans(),
        st.sampled_from(["2s", "env:A", "http://a", "/a/**"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)


@given(
    st.one_of(st.none(), st.text(), st.dictionaries(NAMES, VALUES, max_size=4).map(lambda tree: _toml(tree))),
    st.dictionaries(
        st.one_of(
            st.tuples(NAMES, NAMES).map(lambda pair: f"PHANTOMGATE__{pair[0]}__{pair[1]}".upper()),
            st.just("PHANTOMGATE__ROUTES"),
            st.text().map(lambda text: f"PHANTOMGATE__{text}"),
        ),
        st.one_of(st.text(max_size=20), VALUES.map(json.dumps)),
        max_size=4,
    ),
)
def test_whatever_is_written_gives_settings_or_problems(toml, environ):
    sources = Sources(toml, "gate.toml", environ)
    _, told = draft(sources)
    if told:
        with pytest.raises(SettingsError) as no:
            load(sources)
        assert no.value.problems == tuple(told)
        assert str(no.value).isprintable() or all(line.isprintable() for line in str(no.value).splitlines())
    else:
        load(sources)


def _toml(tree: dict) -> str:
    """*tree* as inline tables, which is all of TOML's values that JSON has words for."""
    return "\n".join(f"{json.dumps(name)} = {_value(value)}" for name, value in tree.items())


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}.get(json.dumps(value), json.dumps(value))


@pytest.mark.parametrize("text", ["", " "])
@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("policy.scopes", '[policy]\nscopes = ["orders"]\n'),
        ("policy.audiences", '[policy]\naudiences = ["orders-api"]\n'),
        ("introspection.issuer", 'issuer = "https://as.example"\n'),
        ("forward.claims", '[forward]\nclaims = { "X-User" = "sub" }\n'),
        ("routes", '[[routes]]\npath = "/orders"\n'),
    ],
)
def test_a_variable_that_is_empty_takes_nothing_away_from_the_file(setting, line, text):
    """As one is whose value somebody forgot, in a compose file or a pipeline."""
    told = problems(GOOD + line, **{variable(setting): text})
    assert {setting: ("is empty, and would take away what the file says; unset it, or take that out of the file",
                      variable(setting))} == told  # fmt: skip


def test_a_variable_that_is_empty_is_nothing_where_the_file_says_nothing():
    assert Settings().policy == settings(PHANTOMGATE__POLICY__SCOPES="", PHANTOMGATE__POLICY__AUDIENCES=" ").policy
    assert () == settings(GOOD + '[policy]\nscopes = ["orders"]\n', PHANTOMGATE__POLICY__SCOPES="[]").policy.scopes


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PHANTOMGATE_POLICY__SCOPE", 'did you mean "PHANTOMGATE__POLICY__SCOPES"?'),
        ("Phantomgate_Policy__Audience", 'did you mean "PHANTOMGATE__POLICY__AUDIENCES"?'),
        ("PHANTOMGATE_XYZ__ABC", "those begin with PHANTOMGATE__"),
    ],
)
def test_a_variable_with_one_underscore_too_few_is_not_passed_over(name, said):
    with pytest.raises(SettingsError) as no:
        load_settings(None, {**NEEDED, name: "orders"})
    [problem] = no.value.problems
    assert (name, "environment", f"is not a variable we know; {said}") == (problem[0], problem[2], problem[1])


def test_a_name_that_is_twice_in_a_variables_table_is_a_problem():
    """JSON has the last one win, and so the check that was written first would be gone."""
    told = problems(PHANTOMGATE__ROUTES='[{"path": "/", "scopes": ["admin"], "scopes": []}]')
    assert {"routes": ('has "scopes" twice in one table; keep one', "PHANTOMGATE__ROUTES")} == told
