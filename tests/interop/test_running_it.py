"""deploy/docker, deploy/helm and deploy/systemd, as far as they go without Docker, Helm and a running systemd.

The chart is rendered by a reader of the few template words that it uses; a word that it doesn't know fails, so that the
chart can't use one that is tried nowhere. What is rendered is parsed, and its settings are read by our own loader.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from interop.needs import command, needs
from phantomgate.config.loading import Sources, load

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed; requirements/dev.txt has it")
pytestmark = pytest.mark.interop

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "phantomgate"
_ACTION = re.compile(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", re.DOTALL)


# -- the chart -------------------------------------------------------------------------------------------------------


def look_up(path: str, scope: dict[str, Any]) -> Any:
    found: Any = scope
    for name in path.strip(".").split("."):
        found = found[name]  # KeyError: a value that values.yaml doesn't have
    return found


def evaluate(action: str, scope: dict[str, Any]) -> str:
    first, *pipes = (part.strip() for part in action.split("|"))
    if first.startswith("toJson "):
        value = json.dumps(look_up(first[7:], scope))
    elif joined := re.fullmatch(r'join "(.)" (\S+)', first):
        value = joined[1].join(look_up(joined[2], scope))
    else:
        value = look_up(first, scope)
    for pipe in pipes:
        word, _, rest = pipe.partition(" ")
        match word:
            case "quote":
                value = json.dumps(str(value))
            case "sha256sum":
                value = hashlib.sha256(str(value).encode()).hexdigest()
            case "default":
                value = value or look_up(rest, scope)
            case _:
                raise AssertionError(f"a template word that is tried nowhere: {pipe}")
    return str(value)


def rendered(text: str, scope: dict[str, Any]) -> str:
    """*text* with its actions carried out: values, pipes, and `if` blocks without `else`."""
    out, shown, end = "", [True], 0
    for found in _ACTION.finditer(text):
        before = text[end : found.start()]
        before = before.rstrip() if found[1] else before
        out += before if all(shown) else ""
        end = found.end()
        if found[2].startswith("if "):
            shown.append(bool(look_up(found[2][3:], scope)))
        elif found[2] == "end":
            shown.pop()
        else:
            out += evaluate(found[2], scope) if all(shown) else ""
    assert [True] == shown
    return out + text[end:]


def chart(**changed: Any) -> dict[str, dict[str, Any]]:
    """What the chart comes to, by kind."""
    values = yaml.safe_load((CHART / "values.yaml").read_text()) | changed
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    scope = {"Values": values, "Release": {"Name": "gate"}, "Chart": {"AppVersion": about["appVersion"]}}
    made = [yaml.safe_load(rendered(one.read_text(), scope)) for one in sorted((CHART / "templates").iterdir())]
    return {one["kind"]: one for one in made if one}


def pod(**changed: Any) -> dict[str, Any]:
    return chart(**changed)["Deployment"]["spec"]["template"]["spec"]


def test_the_chart_is_of_this_version():
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (version, version) == (about["version"], about["appVersion"])


def test_every_kind_renders_and_names_the_same_pods():
    made = chart()
    assert {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"} == set(made)
    labels = made["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels == made["Deployment"]["spec"]["selector"]["matchLabels"] == made["Service"]["spec"]["selector"]
    assert labels == made["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
    assert labels == made["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    assert "NetworkPolicy" not in chart(networkPolicy={"enabled": False})


def test_its_settings_are_settings_and_the_secret_is_where_they_look_for_it():
    made = chart()
    (container,) = pod()["containers"]
    environ = {one["name"]: one["value"] for one in container["env"]}
    settings = load(Sources(made["ConfigMap"]["data"]["phantomgate.toml"], "values.yaml", environ))
    assert ("0.0.0.0:9090", "0.0.0.0:9091") == (settings.serve.listen, settings.serve.manage)
    assert ("10.0.0.0/8",) == settings.serve.trusted_proxies
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    assert {"/etc/phantomgate", "/run/secrets/phantomgate"} == mounts
    assert settings.introspection.client_secret.removeprefix("file:").rsplit("/", 1)[0] in mounts


def test_nothing_in_it_is_root_or_can_write_or_gain_rights():
    (container,) = pod()["containers"]
    assert (True, 65532) == (pod()["securityContext"]["runAsNonRoot"], pod()["securityContext"]["runAsUser"])
    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == container["securityContext"]
    assert all(one["readOnly"] for one in container["volumeMounts"])
    assert pod()["automountServiceAccountToken"] is False


def test_what_changes_is_taken_up_by_the_pods_that_run_or_where_it_is_wanted_by_new_ones():
    def annotations(**changed):
        return chart(**changed)["Deployment"]["spec"]["template"]["metadata"].get("annotations", {})

    told = {one["name"]: one.get("value") for one in pod()["containers"][0]["env"]}
    assert "change" == told["PHANTOMGATE__SERVE__RELOAD"]
    assert "checksum/settings" not in annotations()
    assert annotations(rollOnChange=True) != annotations(rollOnChange=True, settings="# other")
    assert not any("subPath" in mount for mount in pod()["containers"][0]["volumeMounts"])


def test_a_roll_out_refuses_nobody():
    settings = load(Sources(chart()["ConfigMap"]["data"]["phantomgate.toml"], "values.yaml", {}))
    spec = chart()["Deployment"]["spec"]
    assert {"maxUnavailable": 0, "maxSurge": 1} == spec["strategy"]["rollingUpdate"]
    assert "time.sleep(5)" in pod()["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][2]
    assert pod()["terminationGracePeriodSeconds"] > 5 + settings.serve.drain + 3


def test_a_word_that_is_not_tried_fails():
    with pytest.raises(AssertionError, match="tried nowhere"):
        rendered("{{ .Values.x | upper }}", {"Values": {"x": "y"}})


# -- the image -------------------------------------------------------------------------------------------------------


DOCKERFILE = (DEPLOY / "docker" / "Dockerfile").read_text()


def test_the_image_is_not_root_pins_what_it_installs_and_copies_what_is_there():
    lines = [line for line in DOCKERFILE.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    assert re.search(r"^USER 65532:65532$", DOCKERFILE, re.MULTILINE)
    assert lines.index("USER 65532:65532") > max(place for place, line in enumerate(lines) if line.startswith("FROM"))
    for line in lines:
        if " install " in line:
            assert all(
                "--require-hashes" in one or "--no-deps" in one for one in line.split("&&") if " install " in one
            )
        if line.startswith("COPY ") and "--from" not in line:
            assert all((ROOT / name).exists() for name in line.split()[1:-1]), line
        if line.startswith("FROM "):
            assert re.fullmatch(r"FROM python:3\.\d+-slim( AS build)?", line)
    assert '"serve"' in lines[-1]


def test_whatever_the_wheel_is_made_of_is_copied():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = {name for line in DOCKERFILE.splitlines() if line.startswith("COPY ") for name in line.split()[1:-1]}
    for path in (*wheel["packages"], *wheel.get("force-include", {})):
        assert path.partition("/")[0] in copied


def test_nothing_else_than_what_it_copies_is_sent_to_the_builder():
    ignored = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" == ignored[0]
    assert {"!pyproject.toml", "!README.md", "!LICENSE", "!requirements/*.txt", "!src", "!examples"} == set(
        ignored[1:-1]
    )


def test_the_image_s_list_is_what_serving_and_tracing_need_and_nothing_that_tests_need():
    names = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "image.txt").read_text(), re.MULTILINE))
    assert {
        "aiohttp",
        "httptools",
        "uvloop",
        "prometheus-client",
        "cryptography",
        "joserfc",
        "opentelemetry-sdk",
    } <= names
    assert not {"pytest", "playwright", "mypy", "hypothesis"} & names


# -- the unit --------------------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path):
    """The unit, with a program that is there."""
    needs("systemd-analyze")
    text = (DEPLOY / "systemd" / "phantomgate.service").read_text()
    copy = tmp_path / "phantomgate.service"
    copy.write_text(text.replace("/opt/phantomgate/bin/phantomgate", "/bin/true"))
    return copy


def test_systemd_reads_the_unit_without_a_word(unit):
    run = subprocess.run([command("systemd-analyze"), "verify", unit], capture_output=True, text=True, timeout=300)
    assert (0, "") == (run.returncode, run.stdout + run.stderr)


def test_systemd_finds_little_that_the_unit_could_still_do(unit):
    """Of 10.0, which is everything; what is left is the network."""
    words = [command("systemd-analyze"), "security", "--offline=true", "--threshold=15", "--no-pager", str(unit)]
    run = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert 0 == run.returncode, run.stdout[-400:]


def test_the_unit_reloads_by_the_signal_that_we_hear():
    text = (DEPLOY / "systemd" / "phantomgate.service").read_text()
    assert "\nExecReload=/bin/kill -HUP $MAINPID\n" in text


def test_the_unit_waits_longer_than_a_drain_may_take():
    text = (DEPLOY / "systemd" / "phantomgate.service").read_text()
    stop = int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[1])
    assert stop > load(Sources((ROOT / "deploy/nginx/phantomgate.toml").read_text(), "nginx", {})).serve.drain + 3
