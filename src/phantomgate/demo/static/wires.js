// What was on the wire, on both sides of the gateway, and what came back.

import { $, el, shown } from "./dom.js";

const key = (name) => el("span", "key", `${name}: `);
const http = (...parts) => el("pre", "http", ...parts);

export function drawLeft(ask, authorization) {
  const isToken = /^\S+ \S+$/.test(authorization);
  const lines = [`${ask.method} ${ask.path} HTTP/1.1`];
  if (authorization) {
    const [scheme, ...rest] = authorization.split(" ");
    lines.push("\n", key("Authorization"), `${scheme} `, el("span", "opaque", shown(rest.join(" "))));
  } else {
    lines.push("\n", el("span", "key", "(no Authorization)"));
  }
  if (ask.forge) lines.push("\n", key("X-User"), el("span", "loud", ask.forge));
  $("left").replaceChildren(http(...lines), note(isToken ? "Random characters. Whoever sees them learns nothing." : ""));
}

export function drawRight(received) {
  $("right").parentElement.classList.toggle("none", !received);
  if (!received) {
    $("right").replaceChildren(el("p", "soft small", "Nothing. The API has not heard of this request."));
    return;
  }
  const fields = new Map(received.headers.map(([name, value]) => [name.toLowerCase(), value]));
  const jwt = el("span", "", el("span", "seg head", shown(fields.get("authorization").slice(7))));
  jwt.append(".", el("span", "seg body", "claims"), ".", el("span", "seg seal", "signature"));
  $("right").replaceChildren(
    http(`${received.method} ${received.path} HTTP/1.1\n`, key("Authorization"), "Bearer ", jwt, "\n", key("X-User"), fields.get("x-user") ?? ""),
    el("pre", "claims head", pretty(received.jwt.header)),
    el("pre", "claims body", pretty(received.jwt.claims)),
    note("The API checked the signature, issuer, audience, type and expiry by itself."),
  );
}

export function drawBack(answer) {
  const lines = [`HTTP/1.1 ${answer.status} ${answer.statusText}`];
  if (answer.challenge) lines.push("\n", key("WWW-Authenticate"), el("span", "loud", answer.challenge));
  if (answer.retryAfter) lines.push("\n", key("Retry-After"), el("span", "loud", answer.retryAfter));
  if (answer.cacheControl) lines.push("\n", key("Cache-Control"), answer.cacheControl);
  const { received: _, ...body } = answer.body ?? {};
  $("back").replaceChildren(
    http(...lines),
    el("pre", "http", pretty(body)),
    note(body.decision ? `Decision ${body.decision} finds the gateway's log line, which says more than the client is told.` : ""),
  );
}

// JSON as people write it: a member a line, and so each element of a list.
function pretty(body) {
  const lines = Object.entries(body).map(([name, value]) => {
    const list = Array.isArray(value) ? `[\n${value.map((one) => `    ${JSON.stringify(one, null, 1).replace(/\n\s*/g, " ")}`).join(",\n")}\n  ]` : JSON.stringify(value);
    return `  ${JSON.stringify(name)}: ${list}`;
  });
  return `{\n${lines.join(",\n")}\n}`;
}

const note = (text) => el("p", "soft small", text);
