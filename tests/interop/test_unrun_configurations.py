"""Configuration of gateways that no test can run, as shipped, before whatever knows what they take.

Rule: each checker is shown something wrong too, so that what it passes over is known.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from interop import echo_api
from interop.asking import ask
from interop.gateways import command_of_envoy
from interop.needs import HERE, command, needs
from interop.processes import listens, process
from ports import free_port

pytestmark = pytest.mark.interop

DEPLOY = HERE.parents[1] / "deploy"
LINTERS = HERE / "linters"
TYPED = ("istio.io", "envoyproxy.io")
"""The API groups whose resources the models have; of Istio's own settings (IstioOperator) they say nothing."""


def version(package):
    """The name of an npm package with its version."""
    return f"{package} {json.loads((LINTERS / 'package.json').read_text())['dependencies'][package]}"


def run(*words):
    """(exit code, all that was printed) of a Node program of the linters."""
    needs("apigeelint and Kubernetes' models")
    node = command("node")
    done = subprocess.run([node, *words], cwd=LINTERS, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def resources(gateway):
    """The Kubernetes resources that we ship for a gateway."""
    text = (DEPLOY / gateway / "bearer" / "phantomgate.yaml").read_text()
    return [one for one in yaml.safe_load_all(text) if one["apiVersion"].split("/")[0].endswith(TYPED)]


def typed(folder, documents):
    """What the TypeScript compiler says of *documents*, held against the resources' own definitions."""
    lines = []
    for number, one in enumerate(documents):
        (group, version), kind = one["apiVersion"].split("/"), one["kind"]
        package = "istio" if group.endswith("istio.io") else "envoy-gateway"
        where = f"@kubernetes-models/{package}/{group}/{version}/{kind}"
        lines += [f'import type {{ I{kind} as T{number} }} from "{where}";']
        lines += [f"export const one{number}: T{number} = {json.dumps(one)};"]
    file = folder / "resources.ts"
    file.write_text("\n".join(lines))
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(LINTERS / "node_modules")
    how = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext"]
    return run("node_modules/typescript/bin/tsc", *how, str(file))


def test_the_resources_are_what_their_definitions_allow_and_others_are_not(tmp_path, contract):
    shipped = [one for name in ("istio", "envoy-gateway") for one in resources(name)]
    known = [one for one in shipped if one["kind"] != "IstioOperator"]
    assert len(known) >= 5
    policy, traffic = resources("envoy-gateway")
    policy["spec"]["extAuth"]["failsOpen"] = policy["spec"]["extAuth"].pop("failOpen")
    traffic["spec"]["path"]["escapedSlashesAction"] = "Reject"
    code, said = typed(tmp_path, [*known, policy, traffic])
    found = re.findall(r"resources\.ts\((\d+),.*error", said)
    wrong = [str(2 * (len(known) + number)) for number in (1, 2)]  # two lines for each
    assert (2, wrong, True) == (code, found, "failsOpen" in said), said
    contract.record_check("Envoy Gateway", f"against the definitions in {version('@kubernetes-models/envoy-gateway')}")


def linted(folder, change=lambda text: text):
    """What apigeelint has against the policies in a proxy with the flow of the guide: (file, rule, message)."""
    shipped, bundle = DEPLOY / "apigee" / "bearer", folder / "apiproxy"
    (flow,) = re.findall(r"```xml\n(.*?)```", (shipped / "README.md").read_text(), re.DOTALL)
    where = "<HTTPProxyConnection><BasePath>/orders</BasePath></HTTPProxyConnection>"
    route = '<RouteRule name="default"><TargetEndpoint>default</TargetEndpoint></RouteRule>'
    target = "<HTTPTargetConnection><URL>https://api.example</URL></HTTPTargetConnection>"
    files = {
        "orders.xml": '<APIProxy name="orders"><DisplayName>orders</DisplayName></APIProxy>',
        "proxies/default.xml": f'<ProxyEndpoint name="default"><PreFlow name="PreFlow">{flow}</PreFlow>{where}{route}'
        "</ProxyEndpoint>",
        "targets/default.xml": f'<TargetEndpoint name="default">{target}</TargetEndpoint>',
        **{f"policies/{one.name}": change(one.read_text()) for one in shipped.glob("*.xml")},
    }
    for name, text in files.items():
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_text(text)
    _, said = run("node_modules/apigeelint/cli.js", "-s", str(bundle), "-f", "json.js", "--profile", "apigeex")
    found = [(Path(one["filePath"]).name, what) for one in json.loads(said) for what in one["messages"]]
    return [(name, what["ruleId"], what["message"]) for name, what in found if what["severity"] == 2]


def test_apigees_linter_has_nothing_against_the_policies(tmp_path, contract):
    assert [] == linted(tmp_path)
    contract.record_check("Apigee", f"by {version('apigeelint')}")


def test_apigees_linter_sees_a_policy_that_is_none(tmp_path):
    found = linted(tmp_path, lambda text: text.replace("<Set>", "<Sett>").replace("</Set>", "</Sett>"))
    assert ("PG-Forward.xml", "PO034", "element <Sett> is not allowed here.") in found


ENVOY = """
static_resources:
  listeners:
    - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: istio
                http_filters: {filters}
                route_config:
                  virtual_hosts: [{{ name: api, domains: ["*"], routes: [{{ match: {{ prefix: / }}, route: {{ cluster: api }} }}] }}]
  clusters:
    - name: api
      load_assignment:
        cluster_name: api
        endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {api} }} }} }} }}] }}]
"""  # noqa: E501
ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}


def test_the_filter_that_istio_puts_first_takes_away_what_a_client_may_not_say_in_a_real_envoy(tmp_path, contract):
    (patch,) = [one["spec"]["configPatches"][0]["patch"] for one in resources("istio") if one["kind"] == "EnvoyFilter"]
    assert "INSERT_FIRST" == patch["operation"]
    needs("Envoy")
    names = ["X-User", "x_user", "X.User", "X-Original-URL", "X-HTTP-Method-Override", "X-Forwarded-User", "Forwarded"]
    port = free_port()
    with echo_api.running() as api:
        file = tmp_path / "envoy.yaml"
        file.write_text(ENVOY.format(port=port, api=api.port, filters=json.dumps([patch["value"], ROUTER])))
        with process(command_of_envoy(file), tmp_path / "log", ready=lambda: listens(port)):
            sent = [*((name, "made-up") for name in names), ("X-Mine", "kept")]
            assert 200 == ask(port, "/", *sent, token="opaque").status
        assert not api.contains("made-up")
        assert api.contains("kept")
    by = f"against the definitions in {version('@kubernetes-models/istio')}, and its filter runs in Envoy"
    contract.record_check("Istio", f"{by}; `meshConfig` is not checked")
