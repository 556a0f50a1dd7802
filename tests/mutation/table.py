"""The checks that hold the decision path together, and how each is lost. Read by `run.py`."""

# ruff: noqa: E501, RUF005, Q - one lost check a line is a table; wrapped and re-quoted it is a wall

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """One lost check: *old* occurs once in *file*, and with *new* in its place one of *tests* must fail."""

    lost: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


HDR = ("tests/attacks/test_hdr.py",)
INT = ("tests/attacks/test_int.py",)
WIRE = ("tests/attacks/test_int_wire.py",)
CACHE = ("tests/attacks/test_cache.py",)
FWD = ("tests/attacks/test_fwd.py", "tests/attacks/test_fwd_upstream.py")
REL = ("tests/attacks/test_rel.py",)
LOG = ("tests/attacks/test_log.py",)
SESSION = (
    "tests/session", "tests/gateway/test_find_session.py", "tests/gateway/test_cors.py", "tests/config/test_session.py",
    "tests/servers/test_sessions.py", "tests/attacks/test_cookie.py",
)  # fmt: skip


AGENT = (
    "tests/agent/test_login.py", "tests/agent/test_refresh.py", "tests/agent/test_logout.py",
    "tests/agent/test_faults.py", "tests/agent/test_cookies.py", "tests/attacks/test_bff.py",
    "tests/oauth/test_authorization.py", "tests/oauth/test_authorization_response.py", "tests/oauth/test_id_token.py",
    "tests/config/test_agent.py",
)  # fmt: skip
IN_TIME = ("tests/servers/test_authorizer_time.py",)
AWS_CHECK = ("tests/cli/test_check_aws.py", "tests/cli/test_check_aws_plain.py")
RELOAD = ("tests/config/test_keeping.py", "tests/servers/test_supervisor.py", "tests/servers/test_reload.py")
BAD_DAYS = (
    "tests/resolvers/test_breaker.py", "tests/resolvers/test_guarded.py", "tests/resolvers/test_cached_in_bad_times.py",
)  # fmt: skip
AGENT_SERVED = ("tests/agent/test_end_to_end.py",)
SEVERAL = ("tests/agent/test_several_processes.py",)
STATE = ("tests/backends/test_agent_state.py",)
MARKED = ("tests/resolvers/test_marks.py",)
ON_LAMBDA = ("tests/adapters/test_aws_agent.py", "tests/servers/test_agent_function.py")


def props(name: str) -> tuple[str, ...]:
    return (f"tests/properties/test_{name}.py",)


BEARER = "oauth/bearer.py"
FIND = "gateway/find.py"
READ = "oauth/introspection.py"
REPLIES = "oauth/replies.py"
JWT = "oauth/jwt.py"
JSON = "oauth/strict_json.py"
FRESH = "oauth/freshness.py"
CLAIMS = "oauth/claims.py"
CACHED = "resolvers/cached.py"
ASK = "resolvers/introspect.py"
ROUTES = "gateway/routes.py"
JUDGE = "gateway/judge.py"
FORWARD = "gateway/forward.py"
GATEWAY = "gateway/gateway.py"
ADAPTER = "adapters/forward_auth.py"
HOPS = "adapters/hops.py"
REFUSAL = "adapters/refusal.py"
CONNECTION = "servers/connection.py"
LISTENER = "servers/listener.py"
ERRORS = "core/errors.py"
MODEL = "core/model.py"
WIRING = "config/wiring.py"
MEMORY = "backends/memory.py"
REPLY = "backends/http_reply.py"
NONBLOCKING = "backends/nonblocking.py"
FLIGHT = "backends/single_flight.py"
TLS = "backends/tls.py"

SEALING = "session/sealing.py"
KEYS = "session/keys.py"
COOKIES = "session/cookies.py"
CSRF = "session/csrf.py"
FIND_SESSION = "gateway/find_session.py"
CORS = "gateway/cors.py"
PREFLIGHT = "adapters/preflight.py"

MUTATIONS = [
    # -- one credential, read by the letter
    Mutation("a repeated Authorization field", FIND, 'headers.one(b"authorization")', "pass", HDR),
    Mutation("a token in the query beside the field", FIND, "if query and (", "if False and (", HDR),
    Mutation("a percent-encoded query parameter", FIND, 'or "%" in query)', ")", HDR),
    Mutation("the whole field must match", BEARER, "only_bytes(body, B64TOKEN)", "True", HDR),
    Mutation("exactly the scheme Bearer", BEARER, 'rb"(?i:bearer)(?![', 'rb"(?i:bearer)(?:[', HDR),
    Mutation("several credentials joined by commas", BEARER, "if _HIDES_A_BEARER.search(value):", "if False:", HDR),
    Mutation("a bound on the field", BEARER, "if len(value) > MAX_TOKEN_BYTES + 64:", "if False:", props("bearer") + HDR),
    Mutation("a bound on the token", BEARER, "if len(token) > MAX_TOKEN_BYTES:", "if False:", HDR),
    Mutation("no error without a credential", BEARER, "if refuse.reason is not Reason.MISSING_CREDENTIAL:", "if True:", HDR),
    Mutation("spaces only between scheme and token", BEARER, 'rest.lstrip(b" ")', "rest.lstrip()", HDR),
    # -- the question
    Mutation("the form is encoded", "oauth/form.py", 'f"%{byte:02X}" for byte in range(256)', "chr(byte) for byte in range(256)", INT),
    Mutation("plus and space are two", "oauth/form.py", '"+" if byte == 0x20 else', "", INT),
    Mutation("client id and secret are encoded first", "oauth/client_auth.py", "{form_value(client_id)}:{form_value(secret)}", "{client_id}:{secret}", INT),
    Mutation("the question is POST", "oauth/client_auth.py", 'HttpCall("POST"', 'HttpCall("PUT"', INT),
    Mutation("no encoding is asked for", "backends/http_request.py", '"identity"', '"gzip"', INT),
    # -- the answer
    Mutation("the media type", READ, '    else:\n        bad_answer(f"Content-Type', '    elif False:\n        bad_answer(f"Content-Type', INT + props("introspection")),
    Mutation("one Content-Type", REPLIES, "if len(values) != 1:\n        bad", "if not values:\n        bad", INT),
    Mutation("active is exactly true", READ, '        if said.get("active") is not True:', '        if not said.get("active"):', INT),
    Mutation("active is exactly false", READ, 'if said.get("active") is False:', 'if not said.get("active"):', INT),
    Mutation("204 only when a JWT was asked for", READ, 'if status == 204 and asked == "jwt":', "if status == 204:", INT),
    Mutation("only 200 is an answer", READ, '    bad_answer(f"status {status}, want 200")', "    return", INT),
    Mutation("our client refused is no verdict on the token", REPLIES, "Reason.CLIENT_REFUSED, f", "Reason.INACTIVE, f", INT),
    Mutation("429 is trouble", REPLIES, "if reply.status == 429 or reply.status >= 500:", "if reply.status >= 500:", INT),
    Mutation("5xx is trouble", REPLIES, "if reply.status == 429 or reply.status >= 500:", "if reply.status == 429:", INT),
    Mutation("an algorithm that signs", REPLIES, 'or algorithm.lower() == "none"', "", INT),
    Mutation("none in any case", REPLIES, "algorithm.lower() ==", "algorithm ==", INT),
    Mutation("an empty algorithm", REPLIES, "or not algorithm:", ":", INT),
    Mutation("a statement about a token is not one", REPLIES, '== "token-introspection+jwt":', '== "never":', INT),
    Mutation("phantom_token and jwt are one", READ, "if values or not isinstance(jwt, str):", "if not isinstance(jwt, str):", INT),
    Mutation("the facts beside the JWT", READ, "        _check_facts(said, now, clock_skew, issuer)", "        pass", INT),
    Mutation("the facts in the JWT", READ, "    _check_facts(claims, now, clock_skew, issuer)", "    pass", INT),
    Mutation("the configured issuer", READ, 'if issuer and claims.get("iss", issuer) != issuer:', "if False:", INT),
    Mutation("nbf and iat in the future", READ, "read_time(claims, name) > now + clock_skew:", "False:", INT),
    Mutation("a key-bound token is no bearer token", CLAIMS, 'if claims.get("cnf") is not None:', "if False:", INT),
    Mutation("cnf of any kind", CLAIMS, 'if claims.get("cnf") is not None:', 'if claims.get("cnf"):', INT),
    Mutation("token_type", CLAIMS, "if kind is not None and", "if False and", INT),
    Mutation("a missing exp", READ, 'raise Refused(Reason.EXPIRED, "exp is missing")', "return now + 300", INT),
    Mutation("exp when asked", READ, "if not now < expires_at:", "if False:", props("introspection")),
    Mutation("no leeway for exp when asked", READ, "if not now < expires_at:", "if not now <= expires_at:", props("introspection")),
    Mutation("the earlier of two exp", READ, "expires_at = min(", "expires_at = max(", INT),
    Mutation("one line break and no more", READ, 'body.removesuffix(b"\\r\\n") if body.endswith(b"\\r\\n") else body.removesuffix(b"\\n")', "body.strip()", INT),
    Mutation("only media types are logged", REPLIES, "if _MEDIA_TYPE.fullmatch(content_type) else", "if True else", LOG),
    Mutation("Retry-After is one number", REPLIES, "if len(values) == 1 and values[0].isdigit() else", "if values else", INT),
    Mutation("Retry-After is at most a minute", ERRORS, "min(max(retry_after, 1), 60)", "max(retry_after, 1)", INT),
    Mutation("Retry-After is at least a second", ERRORS, "min(max(retry_after, 1), 60)", "min(retry_after, 60)", INT),
    # -- JSON and JWT
    Mutation("a JSON key twice", JSON, "if len(made) != len(pairs):", "if False:", INT),
    Mutation("the depth of JSON", JSON, "if depth > MAX_DEPTH:", "if False:", props("strict_json")),
    Mutation("NaN is no JSON", JSON, "parse_constant=_no_constant, ", "", props("strict_json")),
    Mutation("a number that is infinite", JSON, "if number in (float", "if False and number in (float", props("strict_json")),
    Mutation("an integer of any length", JSON, "if len(text) > 64:", "if False:", REL + props("strict_json")),
    Mutation("an unpaired surrogate", JSON, '    if "\\\\" in text:', "    if False:", props("strict_json")),
    Mutation("one object", JSON, "if not isinstance(value, dict):", "if False:", INT),
    Mutation("a signature that is not empty", "oauth/unverified.py", "not all(segments)", "not all(segments[:2])", INT),
    Mutation("nothing after the JWT", "oauth/unverified.py", "len(segments) != 3 or not", "len(segments) < 3 or not", INT),
    Mutation("the last bits of base64url", "core/base64url.py", "if segment[-1] not in _LAST[left]:", "if False:", props("jwt_and_form")),
    Mutation("only the alphabet of base64url", "core/base64url.py", 'b"+/!!!")', 'b"+/+/!")', props("jwt_and_form")),
    Mutation("no padding in base64url", "core/base64url.py", 'b"+/!!!")', 'b"+/!!=")', props("jwt_and_form")),
    Mutation("true is no time", CLAIMS, "if type(value) not in (int, float) or not 0", "if not isinstance(value, (int, float)) or not 0", INT),
    Mutation("a time that is one", CLAIMS, "or not 0 <= value <= MAX_TIME:", ":", INT),
    Mutation("scope is text", CLAIMS, '    raise Refused(Reason.INVALID_TOKEN, "scope is neither', '    return frozenset()\n    raise Refused(Reason.INVALID_TOKEN, "scope is neither', INT),
    Mutation("scopes are parted by spaces", CLAIMS, 'scope.split(" ")', "scope.split()", INT),
    Mutation("scope before scp", CLAIMS, 'claims["scope"] if "scope" in claims else claims.get("scp", "")', 'claims.get("scope") or claims.get("scp", "")', INT),
    # -- how long
    Mutation("no-store", FRESH, 'or b"no-store" in found', "", CACHE),
    Mutation("no-cache", FRESH, 'or b"no-cache" in found', "", CACHE),
    Mutation("a directive twice", FRESH, "if name in found:", "if False:", CACHE),
    Mutation("Age", FRESH, "_delta(seconds) - _delta(ages[0])", "_delta(seconds)", CACHE),
    Mutation("Age is one number", FRESH, "or len(ages) != 1 or not _digits(ages[0])", "", CACHE),
    Mutation("max-age is digits", FRESH, "not _digits(seconds) or", "", CACHE),
    Mutation("leading zeros", FRESH, 'value.lstrip(b"0")[:10]', "value[:10]", props("freshness")),
    Mutation("the cap of max_age", ASK, "min(said.freshness, self.max_age)", "said.freshness", CACHE),
    Mutation("freshness counts from the question", ASK, "until = asked_at + (", "until = self.ticks() + 1 + (", CACHE),
    # -- what is remembered
    Mutation("exp of a remembered token", CACHED, "            and self.now() < hot[0].expires_at\n", "", CACHE),
    Mutation("exp of a stored token", CACHED, "return token if self.now() < token.expires_at else None", "return token", CACHE + ("tests/resolvers",)),
    Mutation("freshness of a remembered token", CACHED, "self.ticks() < token.fresh_until and", "", CACHE),
    Mutation("the context of a key", CACHED, "self._prefix + measured", "measured", CACHE),
    Mutation("the length of each part of a key", CACHED, 'return len(part).to_bytes(8, "big") + part', "return part", CACHE),
    Mutation("the whole token in a key", CACHED, 'credential.value.encode("ascii")', 'credential.value.encode("ascii")[:16]', CACHE + HDR),
    Mutation("keys are secret", CACHED, "hmac.digest(self._secret, self._prefix", 'hmac.digest(b"", self._prefix', CACHE),
    Mutation("a refusal is kept five seconds at most", CACHED, "min(negative_seconds, 5.0)", "negative_seconds", CACHE),
    Mutation("only an inactive token is remembered", CACHED, "no.reason is Reason.INACTIVE and", "", CACHE),
    Mutation("refusals are bounded", CACHED, "if len(self._negative) >= NEGATIVE_TOKENS:", "if False:", CACHE),
    Mutation("hot tokens are bounded", CACHED, "if len(self._hot) >= HOT_TOKENS:", "if False:", CACHE),
    Mutation("what somebody else wrote is a miss", CACHED, "except (ValueError, Refused):", "except KeyError:", CACHE),
    Mutation("records have a version", "resolvers/records.py", "or record[0] not in (_TEXT, _SEGMENTS, _CLAIMS)", "", CACHE),
    Mutation("single-flight", CACHED, "token = await self.once(key, self._fill(key, credential, route))", "token = await self._fill(key, credential, route)()", WIRE),
    Mutation("wiring: issuer in the key", "config/issuing.py", "return one.issuer, asked.endpoint,", "return asked.endpoint,", CACHE),
    Mutation("wiring: endpoint in the key", "config/issuing.py", "asked.endpoint, asked.client_id, asked.answer, *verified", "asked.client_id, asked.answer, *verified", CACHE),
    Mutation("wiring: client in the key", "config/issuing.py", "asked.endpoint, asked.client_id, asked.answer, *verified", "asked.endpoint, asked.answer, *verified", CACHE),
    Mutation("wiring: answer format in the key", "config/issuing.py", "asked.endpoint, asked.client_id, asked.answer, *verified", "asked.endpoint, asked.client_id, *verified", CACHE),
    Mutation("memory: time is up", MEMORY, "        if left > 0:\n", "        if True:\n", CACHE + ("tests/backends/test_memory.py",)),
    Mutation("memory: bounded by entries", MEMORY, "elif len(self._young) >= self._entries or self._young_bytes", "elif self._young_bytes", CACHE),
    Mutation("memory: bounded by bytes", MEMORY, "or self._young_bytes + size > self._bytes:", ":", ("tests/backends/test_memory.py",)),
    # -- the judged request
    Mutation("fields of an untrusted peer, original", ADAPTER, 'if trusted and (b"x-original-uri" in fields', 'if (b"x-original-uri" in fields', FWD),
    Mutation("fields of an untrusted peer, forwarded", ADAPTER, 'if trusted and (b"x-forwarded-uri" in fields', 'if (b"x-forwarded-uri" in fields', FWD),
    Mutation("an untrusted peer with a named source", ADAPTER, "if not asked or uri is None or not trusted:", "if not asked or uri is None:", FWD),
    Mutation("an untrusted peer at /exchange", ADAPTER, "if trusted and any(name in headers.fields for name in _NAMING):", "if any(name in headers.fields for name in _NAMING):", FWD),
    Mutation("half a family", ADAPTER, "if not asked or uri is None or", "if uri is None and False or", FWD),
    Mutation("two families", ADAPTER, "if len(found) > 1:", "if False:", FWD),
    Mutation("a family and a path", ADAPTER, 'if target.startswith(b"/") or not found:', "if not found:", FWD),
    Mutation("a repeated field of a family", ADAPTER, "if name in headers.repeated:", "if False:", FWD),
    Mutation("what Connection may name", HOPS, "if named & _JUDGED_BY if we_drop else not named <= _OF_ONE_HOP:", "if False:", FWD),
    Mutation("Connection in every case", HOPS, 'token.strip(b" \\t").lower()', 'token.strip(b" \\t")', FWD + ("tests/adapters",)),
    Mutation("h2c", HOPS, 'if b"upgrade" in fields and any(b"h2c"', 'if False and any(b"h2c"', FWD),
    Mutation("the query is no part of the path, path", ADAPTER, 'path, _, query = target.decode("latin-1").partition("?")', 'path, _, query = target.decode("latin-1").partition("\\0")', FWD),
    Mutation("the query is no part of the path, family", ADAPTER, 'path, _, query = uri.decode("latin-1").partition("?")', 'path, _, query = uri.decode("latin-1").partition("\\0")', FWD),
    Mutation("trusted networks", LISTENER, "return any((mapped or address) in network for network in known)", "return True", FWD),
    # -- routes
    Mutation("ambiguous: empty segments", ROUTES, 'r"//|/\\.{1,2}', 'r"/\\.{1,2}', FWD),
    Mutation("ambiguous: dot segments", ROUTES, 'r"//|/\\.{1,2}(?:/|\\Z)|', 'r"//|', FWD),
    Mutation("ambiguous: a dot segment at the end", ROUTES, "(?:/|\\Z)|[", "/|[", FWD),
    Mutation("ambiguous: path parameters", ROUTES, "|[;\\\\#", "|[\\\\#", FWD),
    Mutation("ambiguous: backslashes", ROUTES, "|[;\\\\#", "|[;#", FWD),
    Mutation("ambiguous: a raw fragment", ROUTES, "|[;\\\\#", "|[;\\\\", FWD),
    Mutation("ambiguous: control characters and space", ROUTES, "\\x00-\\x20", "", ("tests/gateway/test_routes.py",)),
    Mutation("ambiguous: beyond ASCII", ROUTES, "\\x7f-\\U0010ffff", "\\x7f", FWD),
    Mutation("ambiguous: an encoded dot", ROUTES, "%(?:2[eEfF53]", "%(?:2[fF53]", FWD),
    Mutation("ambiguous: an encoded slash", ROUTES, "%(?:2[eEfF53]", "%(?:2[eE53]", FWD),
    Mutation("ambiguous: an encoded percent", ROUTES, "%(?:2[eEfF53]", "%(?:2[eEfF3]", FWD),
    Mutation("ambiguous: an encoded fragment", ROUTES, "%(?:2[eEfF53]", "%(?:2[eEfF5]", FWD),
    Mutation("ambiguous: an encoded backslash", ROUTES, "|5[cC]|", "|", FWD),
    Mutation("ambiguous: an encoded semicolon", ROUTES, "3[bBfF]", "3[fF]", FWD),
    Mutation("ambiguous: an encoded question mark", ROUTES, "3[bBfF]", "3[bB]", FWD),
    Mutation("ambiguous: an encoded control character", ROUTES, "|[01][0-9a-fA-F]|", "|", FWD),
    Mutation("ambiguous: an encoded space", ROUTES, "|20|", "|", FWD),
    Mutation("ambiguous: an encoded DEL", ROUTES, "|7[fF])", ")", FWD),
    Mutation("ambiguous: a broken encoding", ROUTES, "|%(?![0-9a-fA-F]{2})", "", FWD),
    Mutation("ambiguous: overlong UTF-8", ROUTES, "%(?:[cC][01]|", "%(?:", FWD),
    Mutation("ambiguous: overlong UTF-8 of three bytes", ROUTES, "[eE]0%[89][0-9a-fA-F]|", "", FWD),
    Mutation("ambiguous: overlong UTF-8 of four bytes", ROUTES, "|[fF]0%8[0-9a-fA-F]", "", FWD),
    Mutation("a path begins with a slash", ROUTES, 'not path.startswith("/") or ', "", FWD),
    Mutation("a plain path holds nothing odd", ROUTES, "*+,=:@]*)+/?", "*+,=:@;%]*)+/?", FWD),
    Mutation("the template fits the whole path", ROUTES, "re.DOTALL).fullmatch", "re.DOTALL).match", FWD),
    Mutation("a template is literal", ROUTES, '"/" + re.escape(segment)', '"/" + segment', FWD),
    Mutation("a star is one segment", ROUTES, 'r"/[^/]+"', 'r"/.+"', FWD),
    Mutation("a star is not empty", ROUTES, 'r"/[^/]+"', 'r"/[^/]*"', FWD),
    Mutation("no route, no request", ROUTES, 'raise Refused(Reason.NO_ROUTE, "no route', 'return policy\n        raise Refused(Reason.NO_ROUTE, "no route', FWD),
    Mutation("methods", ROUTES, "(not methods or method in methods) and", "", FWD),
    Mutation("two ** are quadratic", ROUTES, 'if template.count("**") > 1:', "if False:", ("tests/gateway/test_routes.py",) + props("routes")),
    # -- policies
    Mutation("exp at every use", JUDGE, "if not time < token.expires_at:", "if False:", ("tests/gateway/test_judge.py", *props("cached"))),
    Mutation("nbf at every use", JUDGE, 'if read_time(token.claims, "nbf") > time + clock_skew:', "if False:", ("tests/gateway/test_judge.py",)),
    Mutation("the issuers of a route", JUDGE, "if route.issuers and not", "if False and not", LOG),
    Mutation("iss is text", JUDGE, "isinstance(said, str) and said in", "said in", ("tests/gateway/test_judge.py",)),
    Mutation("the audiences of a route", JUDGE, "if route.audiences and not", "if False and not", CACHE),
    Mutation("all scopes", JUDGE, "missing = [scope for scope in sorted(route.scopes) if not covers(granted, scope)]", "missing = []", CACHE),
    Mutation("any of the scopes", JUDGE, "if not missing and (not route.any_scopes or any(", "if not missing and (True or any(", CACHE),
    Mutation("hierarchic parts at a mark", JUDGE, 'wanted.startswith((scope + ".", scope + ":"))', "wanted.startswith(scope)", props("scopes")),
    Mutation("a wildcard is one segment", JUDGE, '"[^.:]+" if part == "*"', '".+" if part == "*"', props("scopes")),
    Mutation("a wildcard is literal elsewhere", JUDGE, "else re.escape(part) for part in parts", "else part for part in parts", props("scopes")),
    Mutation("wiring: the policies are in", WIRING, "policies=tuple(policies.values())", "policies=()", CACHE),
    # -- what goes upstream
    Mutation("claims are encoded", FORWARD, "header_value(token.claims.get(claim))", "str(token.claims.get(claim))", FWD),
    Mutation("a comma in an element", FORWARD, 'also=","', 'also=""', FWD),
    Mutation("control characters", FORWARD, 'or not " " <= char <= "~"', "", FWD),
    Mutation("a percent sign is encoded", FORWARD, 'special = "%" + also', "special = also", FWD),
    Mutation("no space at the edges", FORWARD, 'return "%20" * (len(encoded) - len(body)) + core + "%20" * (len(body) - len(core))', "return encoded", FWD),
    Mutation("every header is always set", FORWARD, "for header, claim in wanted]", "for header, claim in wanted if claim in token.claims]", FWD),
    Mutation("owned headers", FORWARD, "(*NEVER_FROM_CLIENTS, *claims, *also_owned)", "(*NEVER_FROM_CLIENTS, *also_owned)", FWD),
    Mutation("method overrides", FORWARD, '    "x-http-method-override",\n', "", FWD),
    Mutation("x-envoy-original-path", FORWARD, '    "x-envoy-original-path",\n', "", FWD),
    Mutation("proxy-authorization", FORWARD, '    "proxy-authorization",\n', "", FWD),
    Mutation("look-alike headers", MODEL, 'return name.lower().replace("_", "-").replace(".", "-")', "return name.lower()", FWD),
    # -- the answer to the gateway
    Mutation("no-store on refusals", REFUSAL, '("Cache-Control", "no-store")', '("Cache-Control", "private")', CACHE),
    Mutation("400 is 401 for nginx", REFUSAL, "status = 401 if nginx and", "status = 401 if False and", FWD),
    Mutation("the challenge", REFUSAL, "if reason.challenges:", "if False:", HDR),
    Mutation("private on allows", ADAPTER, 'f"private, max-age={seconds}")', 'f"max-age={seconds}")', CACHE),
    Mutation("an answer ends with exp", MODEL, "        if fresh < left:\n            left = fresh\n", "        left = fresh\n", CACHE),
    Mutation("an answer ends with what may be remembered", MODEL, "        if fresh < left:\n            left = fresh\n", "", CACHE),
    Mutation("reasons look alike from outside", ERRORS, '    BOUND_TOKEN = "bound_token", 401, "invalid_token", "The access token is invalid, expired or revoked"', '    BOUND_TOKEN = "bound_token", 401, "invalid_token", "The access token is bound to a key"', LOG),
    Mutation("the log quotes no exception", "config/log.py", "kinds.append(type(seen).__name__)", "kinds.append(repr(seen))", ("tests/config",)),
    # -- whatever goes wrong
    Mutation("a bug is a refusal", GATEWAY, "        except Exception as bug:  # noqa: BLE001 - this is", "        except ZeroDivisionError as bug:  # noqa: BLE001 - this is", REL),
    Mutation("what can't be recorded is not allowed", GATEWAY, "return Refuse(Reason.SERVER_ERROR, self.new_id(), type(bug).__name__, cause=bug)\n        return decision", "return decision\n        return decision", REL),
    Mutation("the problem of a request", GATEWAY, "if request.problem is not None:", "if False:", FWD),
    Mutation("every policy runs", GATEWAY, "for judge in self.policies:", "for judge in self.policies[:1]:", REL),
    Mutation("no answer when a decision that waited ends otherwise", CONNECTION, "            self.abort()  # no answer is a refusal too\n            raise\n        finally", "            raise\n        finally", REL),
    # -- limits and framing of the listener
    Mutation("the number of fields", CONNECTION, "or len(headers.fields) > listener.max_headers:", ":", HDR),
    Mutation("the size of a header section at once", CONNECTION, "        if size > self.max_header_bytes:\n            self.large = True\n", "", HDR),
    Mutation("the size of a header section in pieces", CONNECTION, "if self.head_bytes > self.max_header_bytes:", "if False:", HDR),
    Mutation("the limits on a head by SPOP", "servers/spoe.py", "request.problem = request.problem or large", "pass", ("tests/servers/test_spoe.py",)),
    Mutation("the limits on a head by gRPC", "servers/grpc.py", "request.problem = request.problem or large", "pass", ("tests/servers/test_grpc.py",)),
    Mutation("nothing after an upgrade", CONNECTION, "            # What follows is not HTTP/1.1 any more; the request itself was whole and is answered.\n            self.ending = True\n", "", FWD + ("tests/servers/test_listener.py",)),
    Mutation("a head's answer alone", CONNECTION, 'b"" if method == b"HEAD" else body', "body", ("tests/servers/test_listener.py",)),
    Mutation("who has reset is nobody", "servers/listening.py", 'if own is not None and own.family == socket.AF_UNIX else ""', 'if True else ""', ("tests/servers/test_listener.py",)),
    Mutation("a chunked request is the last", "servers/proxy.py", ' or "Transfer-Encoding" in fields', "", ("tests/servers/test_proxy.py",)),
    # -- the wire to the authorization server
    Mutation("an encoded body", REPLY, 'raise _bad("the body is encoded, although we asked for identity")', "pass", WIRE),
    Mutation("a length over the bound", REPLY, 'raise _bad(f"a body of {self._left} bytes, want at most {self._max_bytes}")', "pass", WIRE),
    Mutation("chunks over the bound", REPLY, 'raise _bad(f"a chunked body of more than {self._max_bytes} bytes")', "pass", WIRE),
    Mutation("a body that ends with the connection", REPLY, 'raise _bad("neither Content-Length nor chunked, so nothing says where the body ends")', "pass", WIRE),
    Mutation("interim replies", REPLY, "if self._interim > MAX_INTERIM:", "if False:", WIRE),
    Mutation("the number of an answer's fields", REPLY, "if self._count > MAX_FIELDS:", "if False:", ("tests/backends/test_http_faults.py",)),
    Mutation("nobody's answer", NONBLOCKING, "elif self._now is None:  # nobody asked for anything\n            self._drop()", "elif self._now is None:\n            super().data_received(data)", WIRE),
    Mutation("no redirects", NONBLOCKING, "allow_redirects=False", "allow_redirects=True", INT),
    Mutation("no environment", NONBLOCKING, "trust_env=False", "trust_env=True", WIRE),
    Mutation("certificates are verified", TLS, "context.minimum_version", "context.check_hostname = False\n    context.verify_mode = ssl.CERT_NONE\n    context.minimum_version", WIRE),
    Mutation("host names are verified", TLS, "context.minimum_version", "context.check_hostname = False\n    context.minimum_version", WIRE),
    Mutation("TLS is 1.2 or newer", TLS, "context.minimum_version = ssl.TLSVersion.TLSv1_2", 'context.minimum_version = ssl.TLSVersion.TLSv1\n    context.set_ciphers("ALL:@SECLEVEL=0")', WIRE),
    Mutation("keys are disclosed to nobody", TLS, "context.minimum_version", 'import os\n    context.keylog_filename = os.environ.get("SSLKEYLOGFILE")\n    context.minimum_version', WIRE),
    Mutation("the first caller's end is its own", FLIGHT, "landed = await landing", "landed = await asyncio.wait_for(flight.task, None) and flight.task", WIRE),
    Mutation("the cookie is bound to its name", SEALING, "for part in (name.encode(), issuer.encode()):", "for part in (b'', issuer.encode()):", SESSION),
    Mutation("the cookie is bound to its issuer", SEALING, "for part in (name.encode(), issuer.encode()):", "for part in (name.encode(), b''):", SESSION),
    Mutation("the cookie is bound to its version and key", SEALING, "    parts = [head]", "    parts = [b'']", SESSION),
    Mutation("no two places are bound alike", SEALING, 'parts += [len(part).to_bytes(2, "big"), part]', "parts += [part]", SESSION),
    Mutation("v1 only where it is wanted", SEALING, "if version == _V1 and legacy:", "if version == _V1:", SESSION),
    Mutation("something is sealed (v1)", SEALING, "if len(data) <= 1 + _IV + _TAG:", "if len(data) < 1 + _IV + _TAG:", SESSION),
    Mutation("something is sealed (v2)", SEALING, "if len(data) <= _V2_IV + _IV + _TAG:", "if len(data) < _V2_IV + _IV + _TAG:", SESSION),
    Mutation("a length that cookies can have", SEALING, "if len(text) > MAX_SEALED:", "if False:", SESSION),
    Mutation("two formats, two keys", KEYS, '_derived(secret, b"cookie v2"))', "secret)", SESSION),
    Mutation("64 hexadecimal characters", KEYS, "if not _HEX.fullmatch(text):", "if not text:", SESSION),
    Mutation("keys that repeat themselves", KEYS, "for period in (1, 2, 4, 8, 16)", "for period in ()", SESSION),
    Mutation("keys of manuals", KEYS, "in _SAMPLES:", "in ():", SESSION),
    Mutation("a cookie of ours twice", COOKIES, "    if name in into:", "    if False:", SESSION),
    Mutation("names byte by byte", COOKIES, 'pair.lstrip(b" \\t").partition(b"=")', 'pair.strip(b" \\t\\xa0\\x80\\xe2\\"").partition(b"=")', SESSION),
    Mutation("bytes of cookies", COOKIES, "if size > MAX_COOKIE_BYTES:", "if False:", SESSION),
    Mutation("number of cookies", COOKIES, "if count > MAX_COOKIES:", "if False:", SESSION),
    Mutation("number of chunks", COOKIES, "if not 2 <= count <= MAX_CHUNKS:", "if False:", SESSION),
    Mutation("every chunk is there", COOKIES, "if all(rest) else", "if True else", SESSION),
    Mutation("left-over chunks are cleared", COOKIES, "return fields + _cleared(names, kind, range(len(pieces), MAX_CHUNKS), had)", "return fields", SESSION),
    Mutation("cookies are HttpOnly", COOKIES, "; Secure; HttpOnly;", "; Secure;", SESSION),
    Mutation("cookies are SameSite=Strict", COOKIES, "SameSite=Strict", "SameSite=Lax", SESSION),
    Mutation("ours in any case are stripped", COOKIES, "re.IGNORECASE", "0", SESSION),
    Mutation("the CSRF header is the token", CSRF, 'if not hmac.compare_digest(header, csrf.value.encode("utf-8")):', "if False:", SESSION),
    Mutation("the CSRF token is of this session", CSRF, "if not hmac.compare_digest(session_id, csrf.session_id):", "if False:", SESSION),
    Mutation("which methods are safe", CSRF, '("GET", "HEAD", "OPTIONS")', '("GET", "HEAD", "OPTIONS", "TRACE")', SESSION),
    Mutation("one credential", FIND_SESSION, 'if b"authorization" in headers.fields:', "if False:", SESSION),
    Mutation("the method is known", FIND_SESSION, "if not request.routed:", "if False:", SESSION),
    Mutation("one origin, and ours", FIND_SESSION, "if len(origins) > 1 or (origins and origins[0] not in rules.origins):", "if False:", SESSION),
    Mutation("one origin", FIND_SESSION, "if len(origins) > 1 or (origins", "if (origins", SESSION),
    Mutation("an origin where one is needed", FIND_SESSION, "if not origins and (unsafe or rules.cors):", "if False:", SESSION),
    Mutation("an origin on unsafe methods", FIND_SESSION, "(unsafe or rules.cors)", "rules.cors", SESSION),
    Mutation("an origin with CORS", FIND_SESSION, "(unsafe or rules.cors)", "unsafe", SESSION),
    Mutation("not from another site", FIND_SESSION, "if sites and not rules.allow_cross_site and not", "if False and not", SESSION),
    Mutation("the double submit", FIND_SESSION, "        check_repeated(headers.one(csrf_header), csrf)\n", "", SESSION),
    Mutation("of the same session", FIND_SESSION, "        check_same_session(csrf, session.session_id)\n", "", SESSION),
    Mutation("the origin is checked", FIND_SESSION, "        _check_origin(rules, headers, unsafe=unsafe)\n", "", SESSION),
    Mutation("what is sealed is a token", FIND_SESSION, "if not is_token(token.value):", "if False:", SESSION),
    Mutation("a preflight only where the client hears it", CORS, "and request.answerable and", "and", SESSION),
    Mutation("a preflight and no other OPTIONS", CORS, 'return b"origin" in fields and b"access-control-request-method" in fields', "return True", SESSION),
    Mutation("two origins are nobody's", CORS, 'b"" if b"origin" in headers.repeated else', "", SESSION),
    Mutation("nothing but a preflight at /preflight", PREFLIGHT, 'if request.method != "OPTIONS" or not is_preflight(headers.fields):', "if False:", SESSION),
    Mutation("no JWT to a browser", "servers/rendering.py", 'if isinstance(decision, Answer) is not (asked == "preflight"):', "if False:", SESSION),
    Mutation("a session's answer is not remembered", MODEL, "        if self.upstream.cookies is not None:\n            return 0\n", "", SESSION),
    Mutation("the proxy strips cookies", "adapters/proxy.py", '        dropped |= {b"cookie"}\n', "", SESSION),
    Mutation("the API says nothing of CORS", "adapters/proxy.py", "    if ours:\n", "    if False:\n", SESSION),
    Mutation("the CSRF header goes no further", "config/wiring.py", "also_owned=owned, ", "", SESSION),
    # the OAuth agent
    Mutation("origin of an agent's request", "agent/agent.py", "                check_origin(request.method, request.headers, self.trusted, cross_site=self.cross_site)\n", "", AGENT),
    Mutation("origin, unsafe without one", "agent/guard.py", "    if method not in SAFE_METHODS:", "    if False:", AGENT),
    Mutation("origin, cross-site", "agent/guard.py", "site not in _OF_OUR_SITE and not cross_site", "False", AGENT),
    Mutation("origin, another of our site", "agent/guard.py", "    if site is not None and site not in _WITHIN:", "    if False:", AGENT),
    Mutation("CORS for everybody", "agent/guard.py", '    if len(said) != 1 or said[0].decode("latin-1") not in trusted:', "    if len(said) != 1:", AGENT),
    Mutation("answers that may be kept", "agent/agent.py", '("Cache-Control", "no-store"), ', "", AGENT_SERVED),
    Mutation("CSRF of a refresh", "agent/refresh.py", "        self.jar.check_csrf(request.headers, brought)\n", "", AGENT),
    Mutation("CSRF of a logout", "agent/logout.py", "        self.jar.check_csrf(request.headers, brought)\n", "", AGENT),
    Mutation("cookies that can't be opened stay", "agent/agent.py", 'if one.partition("=")[0] not in given', "if False", AGENT),
    Mutation("state of this browser", "agent/login.py", "        if login is None:\n", "        if login is None and not (login := next(iter(under_way), None)):\n", AGENT),
    Mutation("a login is used once", "agent/login.py", "if not await self.used.first(", "if not await self.used.first(self.random(9) + ", AGENT),
    Mutation("iss of the answer", "agent/login.py", "        check_iss(response, self.server.issuer, required=await self.server.names_itself())\n", "", AGENT),
    Mutation("iss that must be there", "agent/login.py", "required=await self.server.names_itself()", "required=False", AGENT),
    Mutation("nonce", "agent/login.py", "            check_login(said, nonce=login.nonce, access_token=answer.access_token)\n", "", AGENT),
    Mutation("an ID token for openid", "agent/login.py", 'elif "openid" in self.scope.split():', "elif False:", AGENT),
    Mutation("the session before a login lives on", "agent/login.py", '            await self.endings.end_session(brought.session_id or b"", "" if brought.at is None else brought.at.value)\n', "            pass\n", AGENT),
    Mutation("stale cookies at the start of a login", "agent/login.py", "cookies = self.jar.clear(brought) + self.jar", "cookies = self.jar", AGENT),
    Mutation("a login is over after ten minutes", "agent/logins.py", "if 0 <= now - one.began < SECONDS", "if True", AGENT),
    Mutation("five logins at a time", "agent/logins.py", "logins[-MOST:]", "logins[-99:]", AGENT),
    Mutation("extra parameters by the settings", "agent/pages.py", "        if key not in allowed:", "        if False:", AGENT),
    Mutation("places to return to, ambiguous", "agent/pages.py", " or _AMBIGUOUS(path)", "", AGENT),
    Mutation("places to return to, paths", "agent/pages.py", "    if not _PATH(wanted) or", "    if", AGENT),
    Mutation("claims that pages are told", "agent/pages.py", " if name in names}", "}", AGENT),
    Mutation("sessions that are over, refresh", "agent/refresh.py", "        await self.endings.check(kept.person)\n", "", AGENT),
    Mutation("sessions that end meanwhile", "agent/refresh.py", "            await self.endings.check(renewed.person)\n", "            pass\n", AGENT),
    Mutation("sessions that are over, claims", "agent/facts.py", "        await self.endings.check(brought.id.person)\n", "", AGENT),
    Mutation("a refresh is remembered", "agent/refresh.py", "            await self.answers.put(key, self._sealed(key, renewed), seconds)", "            pass", AGENT),
    Mutation("a refresh is one call", "agent/refresh.py", "return await self.once(key, ask)", "return await ask()", AGENT),
    Mutation("the newest of several refreshes", "agent/refresh.py", "while renewed.refresh_token not in shown:", "while False:", AGENT),
    Mutation("a new ID token about the same person", "agent/refresh.py", "            check_refreshed(said, first, answer.access_token)\n", "", AGENT),
    Mutation("what is remembered is sealed", "agent/refresh.py", '        return seal(self.jar.ring, _name(key), self.jar.issuer, plaintext, random=self.jar.random).encode("ascii")', "        return plaintext", AGENT),
    Mutation("what is remembered opens under its own name", "agent/refresh.py", 'return f"refreshed {key.hex()}"', 'return "refreshed"', SEVERAL),
    Mutation("one process refreshes at a time", "agent/one_process.py", "while not await self.claims.claim(key, mark, self.seconds):", "while False:", SEVERAL),
    Mutation("a claim that is given back", "agent/one_process.py", "                await self.claims.release(key, mark)", "                pass", SEVERAL),
    Mutation("a claim lapses where the answer is lost", "agent/one_process.py", "lapses = self.lost(found)", "lapses = False", SEVERAL),
    Mutation("an answer that was not remembered is lost", "agent/refresh.py", "replace(renewed, lost=True)", "renewed", SEVERAL),
    Mutation("answers again for short tokens", "agent/refresh.py", "max(half, self.least)", "half", SEVERAL),
    Mutation("whose records, DynamoDB", "config/agent_state.py", "now=now, random=random, whose=_whose(settings))", "now=now, random=random)", ON_LAMBDA),
    Mutation("whose records, Redis", "backends/redis_state.py", '.encode() + whose, f"', '.encode(), f"', STATE),
    Mutation("once more, DynamoDB", "backends/dynamodb.py", "        if again:\n", "        if False:\n", STATE),
    Mutation("a claim of somebody else, Redis", "backends/redis_state.py", "if had and had~=ARGV[1] then return 0 end", "", STATE),
    Mutation("a claim that another has now, Redis", "backends/redis_state.py", "if redis.call('GET',KEYS[1])==ARGV[1] then", "if true then", STATE),
    Mutation("a record's own time, DynamoDB", "backends/dynamodb.py", "return record if self._now() < until else None", "return record", STATE),
    Mutation("consistent reads, DynamoDB", "backends/dynamodb.py", ', "ConsistentRead": True', "", STATE),
    Mutation("conditions, DynamoDB", "backends/dynamodb.py", '            "ConditionExpression": _FREE,\n', "", STATE),
    Mutation("Lambda's agent shares its state", "config/agent_function.py", "    elif not shares_state(settings) and", "    elif False and", ON_LAMBDA),
    Mutation("others get the answer of a refresh", "config/agent_checks.py", "asked.refresh_window >= LEAST_WINDOW:", "True:", AGENT),
    Mutation("an agent's body on Lambda", "adapters/aws_agent.py", "    if len(data) > MAX_BODY:", "    if False:", ON_LAMBDA),
    Mutation("what is before the agent's path", "adapters/aws_agent.py", "    if found and BEFORE_THE_PATH.fullmatch(before):", "    if found:", ON_LAMBDA),
    Mutation("cookies in two places of an API's event", "adapters/aws_fields.py", "if not of_url(event) or _parts", "if _parts", ("tests/attacks/test_aws.py",)),
    Mutation("cookies that differ in two places", "adapters/aws_fields.py", 'if not of_url(event) or _parts(together) not in map(_parts, headers.all(b"cookie")):', 'if b"cookie" not in headers:', ON_LAMBDA),
    Mutation("a load balancer that takes one cookie", "adapters/aws_agent.py", 'if "elb" in context and "multiValueHeaders" not in event:', "if False:", ON_LAMBDA),
    Mutation("the access token of this session", "agent/facts.py", " or brought.at.session_id != kept.person.session_id", "", AGENT),
    Mutation("copies of cookies after a logout", "agent/logout.py", "            await self.endings.end_session(session_id, access_token)\n", "            pass\n", AGENT),
    Mutation("a logout is remembered at the second try", "agent/logout.py", "self.later(lambda: self.endings.end_session(session_id, access_token))", "pass", AGENT),
    Mutation("gateways hear of a back-channel logout", "agent/logout.py", "                await self.endings.tell(ended)  ", "                pass  ", AGENT),
    Mutation("gateways hear of a logout", "agent/ending.py", "        if access_token:\n", "        if False:\n", AGENT),
    Mutation("who isn't heard is told", "agent/ending.py", "        if not await self.gateways(purges):\n", "        if await self.gateways(purges) is None:\n", AGENT),
    Mutation("a logout token is good once", "agent/logout.py", "            used = await self.used.get(key) is not None", "            used = False", AGENT),
    Mutation("a logout token, and its session over first", "agent/logout.py", "            if not used:\n                await self.endings.end(ended)  ", "            if await self.used.first(key, 1) and not used:\n                await self.endings.end(ended)  ", AGENT),
    Mutation("revocations apart", "agent/logout.py", "if isinstance(no, Unavailable):", "if True:", AGENT),
    Mutation("gateways hear of a logout that isn't remembered", "agent/ending.py", "        finally:  # gateways hear of it all the same\n", "        except IndexError:\n            raise\n        else:\n", AGENT),
    Mutation("a clock that is ahead", "agent/ending.py", "person.began <= float(at) + _APART", "person.began <= float(at)", AGENT),
    Mutation("a session without its refresh cookie", "agent/login.py", "await self.endings.check(brought.person or Person(at.session_id, self.now()))", "await self.endings.check(brought.person or Person(b'', 0.0))", AGENT),
    Mutation("keys before the refresh token", "agent/refresh.py", "            await self.server.ready()\n", "            pass\n", AGENT + ON_LAMBDA),
    Mutation("the longest a session lasts", "agent/ending.py", "if person.session_id and age >= (longest := await self.lasting.limit(person.began)):", "if False:", AGENT),
    Mutation("later sessions of a user stay", "agent/ending.py", "if at is not None and person.began <= float(at) + _APART:", "if at is not None:", AGENT),
    Mutation("PKCE by S256", "oauth/authorization.py", 'sha256(code_verifier.encode("ascii")).digest()', 'code_verifier.encode("ascii")', AGENT),
    Mutation("parameters that protect a login", "oauth/authorization.py", "not OURS.isdisjoint(names) or ", "", AGENT),
    Mutation("a parameter twice", "oauth/authorization_response.py", "        if name in said:\n", "        if False:\n", AGENT),
    Mutation("code and error together", "oauth/authorization_response.py", '    if "code" in said and "error" in said:', "    if False:", AGENT),
    Mutation("azp", "oauth/id_token.py", '    if "azp" in claims and not', "    if False and not", AGENT),
    Mutation("several audiences without azp", "oauth/id_token.py", 'len(aud) > 1 and "azp" not in claims', "False", AGENT),
    Mutation("another kind of token as an ID token", "oauth/id_token.py", "            check_id_kind,\n", "", AGENT),
    Mutation("at_hash", "oauth/id_token.py", "    check_access_token(said, access_token)\n\n\ndef check_refreshed", "\n\ndef check_refreshed", AGENT),
    Mutation("type of a logout token", "oauth/logout_token.py", "            check_type,\n            check_own_keys,", "            check_own_keys,", AGENT),
    Mutation("nonce in a logout token", "oauth/logout_token.py", "            check_no_nonce,\n", "", AGENT),
    Mutation("age of a logout token", "oauth/logout_token.py", "            check_recent,\n", "", AGENT),
    Mutation("event of a logout token", "oauth/logout_token.py", "            check_event,\n", "", AGENT),
    Mutation("whose logout it is", "oauth/logout_token.py", "            check_whose,\n", "", AGENT),
    Mutation("userinfo about somebody else", "oauth/userinfo.py", '    if said.get("sub") != subject:', "    if False:", AGENT),
    Mutation("one process", "config/agent_checks.py", "    if settings.agent.processes == 1 or shares_state(settings):", "    if True:", AGENT),
    Mutation("stale only on routes that allow it", CACHED, "or not route.allow_stale:", "or False:", BAD_DAYS),
    Mutation("stale for a minute at most", CACHED, "min(stale_seconds, MOST_STALE)", "stale_seconds", BAD_DAYS),
    Mutation("stale never past exp", CACHED, "return token if self.now() < token.expires_at else None", "return token", BAD_DAYS),
    Mutation("stale never once refused", CACHED, "await self.cache.forget(self._spare(key))", "pass", BAD_DAYS),
    Mutation("stale is remembered by no gateway", CACHED, "replace(token, fresh_until=self.ticks(), source=Source.STALE)", "replace(token, source=Source.STALE)", BAD_DAYS),
    Mutation("a refusal ahead counts", CACHED, "await self.cache.forget(key)  #", "pass  #", BAD_DAYS),
    Mutation("one tries an open breaker", "resolvers/breaker.py", "if self.state is State.HALF_OPEN or left > 0:", "if left > 0:", BAD_DAYS),
    Mutation("calls of another time", "resolvers/breaker.py", "            return  # of another time", "            pass  # of another time", BAD_DAYS),
    Mutation("only questions are asked twice", "resolvers/guarded.py", "self.retries and call.retry and", "self.retries and", BAD_DAYS),
    Mutation("one in ten is asked twice", "resolvers/guarded.py", " and self._budget >= 1.0", "", BAD_DAYS),
    Mutation("both tries in one deadline", "resolvers/guarded.py", "timeout=max(round(until - self.ticks(), 2), 0.01)", "timeout=call.timeout", BAD_DAYS),
    Mutation("an assertion is sent once", "oauth/introspection.py", 'name != "client_assertion"', "True", ("tests/oauth/test_introspection.py",)),
    Mutation("no call outlasts its invocation", "backends/blocking.py", "min(call.timeout, self._left())", "call.timeout", IN_TIME),
    Mutation("time to answer in is kept", "servers/invocation.py", "+ _seconds(context) - KEPT_SECONDS", "+ _seconds(context)", IN_TIME),
    Mutation("a time that is a number", "servers/invocation.py", " and not isnan(millis)", "", IN_TIME),
    Mutation("a context that breaks", "servers/authorizer.py", "        try:\n            self._invocation.begin(context)\n", "        self._invocation.begin(context)\n        try:\n", IN_TIME),
    Mutation("no secret outlasts the invocation", "backends/aws_secrets.py", "return min(left, _TIMEOUT)", "return _TIMEOUT", IN_TIME),
    Mutation("check --aws: remembered without the token", "cli/aws_template/remembering.py", "outcome[1] and not outcome[0]", "False", AWS_CHECK),
    Mutation("check --aws: remembered without the route", "cli/aws_template/remembering.py", "is_so and not seen", "False", AWS_CHECK),
    Mutation("check --aws: settings by the real TTL", "cli/aws_template/remembering.py", "if (name, text) not in already:", "if False:", AWS_CHECK),
    Mutation("check --aws: open routes", "cli/aws_template/passing.py", "if route.authorizer is Guard.NONE:", "if False:", AWS_CHECK),
    Mutation("check --aws: an authorizer that isn't there", "cli/aws_template/openapi.py", "Guard.OTHER if api.others.intersection(names) else Guard.NONE", "Guard.OTHER", AWS_CHECK),
    Mutation("check --aws: NONE by default", "cli/aws_template/plain.py", 'Guard.OPEN if resource.at("Metadata"', 'Guard.OPEN if True or resource.at("Metadata"', AWS_CHECK),
    Mutation("check --aws: a made-up header", "cli/aws_template/passing.py", "believed - handled", "handled - handled", AWS_CHECK),
    Mutation("parts by all they depend on", "config/tools.py", "self.common, self.prints(*depends)", "self.common", RELOAD),
    Mutation("parts by what all depend on", "config/tools.py", "self.common, self.prints(*depends)", "self.prints(*depends)", RELOAD),
    Mutation("files and secrets in a print", "config/references.py", "told += [self._held(one) for one in references(thing, without)]", "pass", RELOAD),
    Mutation("parts that parts need", "config/keeping.py", "self._carry(need)", "pass", RELOAD),
    Mutation("all or nobody", "servers/reloading.py", "            if any(answers):", "            if False:", RELOAD),
    Mutation("a server that refuses", "servers/reloading.py", "            if found is not None:", "            if False:", RELOAD),
    Mutation("a file that is gone", "cli/serve.py", 'if not (sources.toml_text or "").strip() and (first.start["sources"]["toml_text"] or "").strip():', "if False:", RELOAD),
    Mutation("pipes instead of files", "cli/serve.py", "_raise(pipes(files_of(settings)))", "pass", RELOAD),
    Mutation("a mark for as long as we remember", "resolvers/hearing.py", "seconds = max(mark.seconds, self.seconds)", "seconds = mark.seconds", ("tests/resolvers/test_hearing.py",)),
    Mutation("a note whose name is no time", "resolvers/hearing.py", "except (ValueError, OverflowError):", "except ValueError:", ("tests/resolvers/test_hearing.py",)),
    Mutation("a machine's note whose name is no time", "servers/fleet.py", "except (ValueError, OverflowError):", "except ValueError:", ("tests/servers/test_purges.py",)),
    Mutation("secrets in what is shown", "config/sharing.py", 'password: str = field(default="", repr=False)\n    s', 'password: str = field(default="")\n    s', ("tests/test_shown.py",)),
    Mutation("secrets in what is shown of one made often", "core/nouns.py", "if one.repr)", "if one)", ("tests/test_shown.py",)),
    Mutation("case of a scheme without a token", "adapters/aws_events.py", 'value.lower() != "bearer" and ', "", ("tests/properties/test_characters.py",)),
    Mutation("a machine's mark for as long as we remember", "servers/fleet.py", "seconds=max(mark.seconds, self._least)", "seconds=mark.seconds", ("tests/servers/test_purges.py",)),
    Mutation("a store read from its beginning", "servers/fleet.py", "            if notes is self._notes:", "            if True:", ("tests/servers/test_purges.py",)),
    Mutation("a line that nobody waits on", "backends/redis_line.py", "if not answer.cancelled():", "if True:", ("tests/backends/test_redis_line.py",)),
    Mutation("whose answer has come", "backends/redis_line.py", "if answer in line.asked:", "if True:", ("tests/backends/test_redis_line.py",)),
    Mutation("a line after the end", "backends/redis_line.py", "                if self._closed:", "                if False:", ("tests/backends/test_redis_line.py",)),
    Mutation("fewer fields on an open connection", "servers/proxy.py", "            most=terms.max_headers,\n", "", RELOAD),
    Mutation("the same files everywhere", "servers/supervisor.py", 'if said.get("print") != wanted:', "if False:", RELOAD),
    Mutation("purges by an older secret", "servers/overseeing.py", 'return {"digests": [one.hex() for one in retired]} if retired else {}', "return {}", ("tests/servers/test_purges.py",)),
    Mutation("what is shared by all it depends on", "config/issuing.py", "context = (*context, tools.prints(one, *times, without=_OURS))", "pass", ("tests/attacks/test_cache_shared.py",)),
    Mutation("a prefix of an issuer that takes JWTs only", "resolvers/by_issuer.py", "if one.takes_opaque and one.prefix)", "if one.prefix)", ("tests/resolvers/test_by_issuer.py",)),
    Mutation("the first trouble of several", "resolvers/by_issuer.py", "trouble = trouble or no", "trouble = no", ("tests/resolvers/test_by_issuer.py",)),
    Mutation("each issuer is asked once", "resolvers/by_issuer.py", " if other is not one", "", ("tests/resolvers/test_by_issuer.py",)),
    Mutation("the one mark of all ends", "resolvers/marks.py", "        serial, until = self._all\n        if now < until and token", "        serial, until = self._all\n        if token", MARKED),
    Mutation("marks that are over make room", "resolvers/marks.py", "            self._kinds[kind] = {name: mark", "            _ = {name: mark", MARKED),
    Mutation("cleared tokens are bounded", "resolvers/marks.py", "if len(cleared) >= CLEARED:", "if False:", MARKED),
    Mutation("a secret that is known only now", "resolvers/marks.py", ", secret)\n        self._cleared = set()", ", secret)", MARKED),
]  # fmt: skip
