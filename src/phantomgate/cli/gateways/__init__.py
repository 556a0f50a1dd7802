"""The gateways that `phantomgate init` writes the configuration of: one table, and a folder for each.

The shape of a gateway, `phantomgate.cli.gateways.NAME`: a package with `KIND`, a `Kind`, and its templates. It is
imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module

from phantomgate.cli.gateways.kind import Kind

GATEWAYS = {
    "nginx": "auth_request",
    "traefik": "ForwardAuth, by the file provider",
    "caddy": "forward_auth, written out",
    "envoy": "ext_authz over HTTP",
    "apache": "mod_lua",
    "varnish": "a question, and a restart",
    "haproxy": "SPOE",
    "haproxy-lua": "Lua, where SPOE can't be used",
    "envoy-grpc": "ext_authz over gRPC",
    "apisix": "forward-auth",
    "kong": "a serverless function",
    "istio": "an external authorizer over HTTP",
    "envoy-gateway": "a SecurityPolicy",
    "gloo": "custom external authorization",
    "azure-apim": "a policy that calls /exchange",
    "apigee": "policies that call /exchange",
}
"""Each gateway, and the means by which it asks."""


def kind_of(name: str) -> Kind:
    """The gateway called *name*, one of GATEWAYS."""
    kind: Kind = import_module(f"phantomgate.cli.gateways.{name.replace('-', '_')}").KIND
    return kind
