// The page: which buttons there are, and what one click sets going. The token lives in this module and nowhere else.

import { $, el, milliseconds, random } from "./dom.js";
import { drawFlow, playFlow } from "./flow.js";
import { finishLogin, logIn, revoke, serviceToken } from "./oauth.js";
import { drawBack, drawLeft, drawRight } from "./wires.js";
import { past, verdict } from "./words.js";

const ASKS = [
  ["With the token", [
    { id: "orders", title: "List the orders", note: "needs read", method: "GET", path: "/api/orders", token: "mine" },
    { id: "order", title: "Place an order", note: "needs orders:write", method: "POST", path: "/api/orders", token: "mine" },
    { id: "forged", title: "Pretend to be the admin", note: "sends X-User: admin along", method: "GET", path: "/api/me", token: "mine", forge: "admin" },
    { id: "unlisted", title: "Try a path no rule allows", note: "default deny", method: "GET", path: "/api/admin", token: "mine" },
  ]],
  ["Without a good one", [
    { id: "none", title: "No token", note: "no Authorization at all", method: "GET", path: "/api/orders", token: "none" },
    { id: "malformed", title: "A malformed token", note: "with a space in it", method: "GET", path: "/api/orders", token: "malformed" },
    { id: "garbage", title: "A made-up token", note: "random, nobody gave it", method: "GET", path: "/api/orders", token: "garbage" },
  ]],
];

let about;
let token = null;
let remembered = null; // { until, seconds }: how long the gateway keeps what it knows of our token
const entries = [];

async function start() {
  drawFlow();
  drawAsks();
  about = await (await fetch("/demo/about")).json();
  $("config").textContent = about.configuration;
  $("app").href = about.app;
  outageIs(about.down);
  $("as-service").onclick = () => getting(() => serviceToken(scope()));
  $("as-person").onclick = () => getting(() => logIn(about, scope()));
  $("revoke").onclick = revokeToken;
  $("outage").onclick = switchOutage;
  setInterval(tick, 200);
  await getting(() => finishLogin(about));
  document.body.dataset.ready = "true";
}

const scope = () => [...document.querySelectorAll("[name=scope]:checked")].map((box) => box.value).join(" ");

function drawAsks() {
  for (const [heading, asks] of ASKS) {
    $("asks").append(el("h3", "", heading));
    for (const ask of asks) {
      const title = el("span", "ask-title", ask.title);
      const button = el("button", "ask", title, el("span", "ask-note", el("code", "", `${ask.method} ${ask.path}`), ` · ${ask.note}`));
      button.type = "button";
      button.id = `ask-${ask.id}`;
      button.disabled = ask.token === "mine";
      button.onclick = () => sending(ask, button);
      $("asks").append(button);
    }
  }
}

async function getting(how) {
  try {
    const got = await how();
    if (!got) return;
    token = got;
    remembered = null;
    drawToken();
    const who = token.kind === "service" ? "A service" : "Ann";
    say("good", "A token", `${who} has an opaque token now. It means nothing to this page; send a request with it.`);
    reveal();
  } catch (problem) {
    say("warn", "No token", reason(problem));
  }
}

const reason = (problem) => (problem instanceof TypeError ? "The authorization server does not answer." : problem.message);

function drawToken() {
  $("token").hidden = false;
  $("token-none").hidden = true;
  $("token").classList.toggle("gone", Boolean(token.revoked));
  $("token-value").textContent = token.value;
  $("token-facts").textContent = `${token.kind === "service" ? "for a service" : "for Ann"}, scope ${token.scope}${token.revoked ? ", revoked" : ""}`;
  $("revoke").disabled = Boolean(token.revoked);
  for (const ask of ASKS[0][1]) $(`ask-${ask.id}`).disabled = false;
  tick();
}

const CREDENTIALS = {
  mine: () => `Bearer ${token.value}`,
  none: () => "",
  malformed: () => "Bearer not a token",
  garbage: () => `Bearer ${random(32)}`,
};

async function sending(ask, button) {
  say("", "On its way", "Through the gateway, step by step.");
  try {
    await send(ask, button);
  } catch {
    say("warn", "No answer", "The gateway does not answer. Is the demo still running? Start it again, and load this page anew.");
  }
}

async function send(ask, button) {
  document.querySelector(".ask[aria-current]")?.removeAttribute("aria-current");
  button.ariaCurrent = "true";
  $("next").hidden = false;
  $("again").onclick = () => sending(ask, button);
  const authorization = CREDENTIALS[ask.token]();
  const headers = new Headers();
  if (authorization) headers.set("Authorization", authorization);
  if (ask.forge) headers.set("X-User", ask.forge);
  if (ask.method === "POST") headers.set("Content-Type", "application/json");
  const reply = await fetch(ask.path, { method: ask.method, headers, body: ask.method === "POST" ? '{"item":"A sheet"}' : undefined, cache: "no-store" });
  const answer = {
    ok: reply.ok,
    status: reply.status,
    statusText: reply.statusText,
    challenge: reply.headers.get("WWW-Authenticate"),
    retryAfter: reply.headers.get("Retry-After"),
    cacheControl: reply.headers.get("Cache-Control"),
    body: await reply.json(),
  };
  const record = await (await fetch(`/demo/decisions/${reply.headers.get("X-Demo-Record")}`)).json();
  record.sent = ask.token === "none" ? "sends no token" : "sends an opaque token";
  if (ask.token === "mine" && answer.ok) {
    remembered = { until: performance.now() + record.remembered * 1000, seconds: about.max_age };
    tick();
  }
  await show(ask, answer, record, authorization);
}

async function show(ask, answer, record, authorization) {
  drawLeft(ask, authorization);
  drawRight(answer.body.received);
  drawBack(answer);
  remember(ask, answer, record);
  reveal();
  const told = verdict(ask, answer, record, ask.token === "mine" ? token : null);
  if (await playFlow(record, `${answer.status} ${answer.statusText}`)) say(told.kind, told.title, told.text);
}

// On a phone, or far down, what one did is not where one sees what became of it.
function reveal() {
  const { top, bottom } = $("verdict").getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) $("stage").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function say(kind, title, text) {
  $("verdict").className = `verdict ${kind}`;
  $("verdict-title").textContent = title;
  $("verdict-text").textContent = text;
}

function remember(ask, answer, record) {
  const resolve = record.steps.find((step) => step.verb === "resolve")?.ms ?? 0;
  entries.push({ source: record.source, resolve });
  const longest = Math.max(...[...$("past").querySelectorAll(".meter")].map((meter) => Number(meter.dataset.ms)), record.ms);
  const meter = el("span", "meter");
  meter.dataset.ms = record.ms;
  const status = el("span", answer.ok ? "ok" : "no", String(answer.status));
  $("past").prepend(
    el("tr", "", el("td", "mono", `${ask.method} ${ask.path}`), el("td", "", status), el("td", "", record.source || "–"), el("td", "mono", meter, milliseconds(record.ms))),
  );
  while ($("past").children.length > 8) $("past").lastChild.remove();
  for (const each of $("past").querySelectorAll(".meter")) each.style.width = `calc(2px + ${each.dataset.ms / longest} * var(--longest))`;
  $("past-card").hidden = false;
  $("past-words").textContent = past(entries);
}

async function revokeToken() {
  try {
    await revoke(about, token);
  } catch (problem) {
    return say("warn", "Not revoked", reason(problem));
  }
  token.revoked = true;
  drawToken();
  reveal();
  const left = remembered ? Math.ceil((remembered.until - performance.now()) / 1000) : 0;
  if (left > 0) say("warn", "Revoked, and still let in", `The gateway remembers this token for ${left} more seconds. Send again now, and once more when the time is over.`);
  else say("good", "Revoked", "The gateway remembers nothing of this token, so the next request finds out at once.");
}

async function switchOutage() {
  const down = $("outage").ariaChecked === "true";
  await fetch("/demo/authorization-server", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ down }) });
  outageIs(down);
  reveal();
  if (down) say("warn", "The authorization server is down", "What the gateway remembers still works, for seconds. What it has to ask about does not: send a made-up token, or wait and send yours.");
  else say("good", "The authorization server is up again", "Everything works as before; no token was lost meanwhile.");
}

function outageIs(down) {
  $("outage").ariaChecked = String(!down);
  $("outage-note").textContent = down ? "It answers nobody. Switch it on again." : "It is up. Switch it off, and send again.";
}

// How long the gateway still remembers our token, counted down in front of everybody.
function tick() {
  const left = remembered ? Math.max(0, remembered.until - performance.now()) / 1000 : 0;
  $("window").hidden = !token || !remembered;
  $("window-bar").style.transform = `scaleX(${remembered ? left / remembered.seconds : 0})`;
  $("window-text").textContent = left > 0 ? `The gateway remembers it for ${left.toFixed(1)} s` : token?.revoked ? "Forgotten: the next request is refused" : "Forgotten: the next request asks again";
}

start();
