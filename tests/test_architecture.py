"""The house rules that no linter knows."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "phantomgate").rglob("*.py"))
MODULES = {str(path.relative_to(ROOT / "src" / "phantomgate")): path for path in SOURCES}


def test_there_is_something_to_look_at():
    assert "gateway/gateway.py" in MODULES
    assert len(MODULES) > 30


def test_the_page_with_the_whole_idea_stays_a_page():
    assert len(MODULES["gateway/gateway.py"].read_text().splitlines()) < 80


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("adapters/")])
def test_an_adapter_only_translates(name):
    assert len(MODULES[name].read_text().splitlines()) < 150


@pytest.mark.parametrize("name", MODULES)
def test_a_file_holds_one_idea(name):
    assert len(MODULES[name].read_text().splitlines()) <= 330


@pytest.mark.parametrize("name", [name for name, path in MODULES.items() if path.read_text()])
def test_a_module_says_what_its_rule_is(name):
    assert ast.get_docstring(ast.parse(MODULES[name].read_text()))


@pytest.mark.parametrize("name", MODULES)
def test_the_environment_is_read_in_two_places_only(name):
    if name not in ("config/loading.py", "backends/secrets.py"):
        assert not re.search(r"os\.environ|os\.getenv|\bgetenv\(", MODULES[name].read_text())


@pytest.mark.parametrize("name", MODULES)
def test_allow_is_built_on_one_line_of_one_file(name):
    calls = [
        node
        for node in ast.walk(ast.parse(MODULES[name].read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Allow"
    ]

    assert len(calls) == (1 if name == "gateway/gateway.py" else 0)


def test_the_core_depends_on_nothing():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["dependencies"] == []


def test_importing_the_package_costs_nothing():
    code = "import sys, phantomgate; print(sorted(name for name in sys.modules if name.startswith('phantomgate')))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env={"PYTHONPATH": "src"}
    ).stdout

    assert ast.literal_eval(loaded) == ["phantomgate"]


def test_the_decision_path_needs_the_standard_library_only_and_little_of_it():
    code = (
        "import sys; from phantomgate.gateway import gateway, find, judge, forward, routes, find_session, cors;"
        "from phantomgate.resolvers import introspect, cached; from phantomgate.backends import blocking, memory;"
        "print([name for name in ('asyncio', 'http.client', 'email', 'ssl', 'urllib', 'logging', 'cryptography',"
        "'aiohttp', 'joserfc') if name in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert loaded.strip() == "[]"


LOCKS = [
    *(f"requirements/{name}.txt" for name in ("dev", "demo", "build")),
    *(f"tests/interop/{name}/requirements.txt" for name in ("django_oauth_toolkit", "canaille")),
]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_names_no_host(lock):
    text = (ROOT / lock).read_text()

    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(re.findall(r"^[A-Za-z].*==", text, re.MULTILINE)) > 0


def test_lock_files_of_npm_name_no_host():
    locks = [path for path in ROOT.rglob("package-lock.json") if "node_modules" not in path.parts]

    assert locks
    assert [] == [str(path) for path in locks if '"resolved"' in path.read_text()]
