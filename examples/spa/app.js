// The app: what happens on this page, and what is said when something does not. How the session works is in
// oauth-client.js; this file is what you replace by your own.

import { Session, SessionError } from "./oauth-client.js";
import * as view from "./view.js";

const { $ } = view;

const session = new Session({ agent: "/oauth-agent", csrfHeader: "x-session-csrf", fetch: watched });

// As fetch, and noted where the reader of this page can see it.
async function watched(url, init) {
  const path = new URL(url).pathname;
  const reply = await fetch(url, init).catch((problem) => {
    view.call(init.method ?? "GET", path, 0);
    throw problem;
  });
  view.call(init.method ?? "GET", path, reply.status);
  return reply;
}

const OVER = {
  expired: ["calm", "Your session has ended", "It was not used for long, or somebody ended it. Log in again to go on."],
  logout: ["calm", "You are logged out", "In this tab and in every other one."],
};

// An answer may come after that to a later question, or in somebody else's session. Then it is not drawn.
let loads = 0;
let lists = 0;

session.addEventListener("change", ({ detail: { why } }) => {
  loads += 1;
  lists += 1;
  view.show(session.isLoggedIn);
  if (session.isLoggedIn) {
    view.quiet();
    trying(load);
  } else if (why in OVER) {
    view.alert(...OVER[why]);
  }
});

async function load() {
  const mine = ++loads;
  const [user, claims] = await Promise.all([session.userInfo(), session.claims(), listOrders()]);
  if (mine !== loads) return;
  $("who-name").textContent = user.name ?? user.preferred_username ?? user.sub;
  view.facts("user", Object.entries(user));
  view.facts("claims", Object.entries(claims));
  view.holds();
}

async function listOrders() {
  const mine = ++lists;
  const said = await ask("/api/orders");
  if (mine !== lists) return;
  view.orders(said.orders);
  view.upstream(said.received);
}

async function order() {
  const item = $("item").value.trim();
  const headers = { "Content-Type": "application/json" };
  const said = await ask("/api/orders", { method: "POST", headers, body: JSON.stringify({ item }) });
  $("order").reset();
  $("ordered").textContent = `Ordered: ${item}. The API knows that it was ${said.received.jwt.claims.sub}.`;
  await listOrders();
}

// The API's answer; a refusal is thrown in the same shape as the agent's.
async function ask(path, init) {
  const reply = await session.fetch(path, init);
  const said = await reply.json().catch(() => ({}));
  if (reply.ok) return said;
  const seconds = Number(reply.headers.get("Retry-After")) || 0;
  throw new SessionError(reply.status, said.error, said.error_description, seconds);
}

// Does *what*, and says what went wrong with it. The one place where errors become words.
async function trying(what, button = null) {
  if (button) button.disabled = true;
  try {
    await what();
  } catch (problem) {
    explain(problem, () => trying(what, button));
  } finally {
    if (button) button.disabled = false;
  }
}

const LOGIN = {
  access_denied: "You did not agree, so nothing was given to anybody.",
  invalid_request: "This login did not begin in this browser, or took too long.",
};

function explain(problem, again) {
  if (!(problem instanceof SessionError)) throw problem;
  const { status, code, message, retryAfter } = problem;
  if (status === 401 && !session.isLoggedIn) return; // the session has ended, and "change" has said so
  if (code === "session_changed") {
    view.alert("calm", "Somebody has logged in", "In another tab, and this page shows that session now. Try again.");
  } else if (status === 403) {
    const what = `The gateway refused it (${code}), and the API has not heard of it. You are still logged in.`;
    view.alert("bad", "You may not do that", what);
  } else if (status === 0 || status >= 500) {
    const when = retryAfter ? `in ${retryAfter} ${retryAfter === 1 ? "second" : "seconds"}` : "in a moment";
    const title = status ? `Not available now (${status})` : "No answer";
    view.alert("bad", title, `Nothing is lost, and your session is as it was. Try again ${when}.`, again);
  } else {
    view.alert("bad", "That did not work", LOGIN[code] ?? message);
  }
}

$("log-in").onclick = ({ target }) => trying(() => session.logIn(), target);
$("log-out").onclick = ({ target }) => trying(() => session.logOut(), target);
$("reload").onclick = ({ target }) => trying(listOrders, target);
$("refresh").onclick = ({ target }) => trying(() => session.refresh(), target);
$("forbidden").onclick = ({ target }) => trying(() => ask("/api/admin"), target);
$("alert-close").onclick = view.quiet;
$("order").onsubmit = (event) => {
  event.preventDefault();
  trying(order, event.submitter);
};

async function start() {
  try {
    await session.start();
  } catch (problem) {
    view.show(session.isLoggedIn);
    $("wait").hidden = true;
    explain(problem, start);
  }
  document.body.dataset.ready = "true";
}

start();
