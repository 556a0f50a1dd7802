// Asks for the figures every two seconds, and shows what lies between two moments. Text is set as text, never as HTML.

const EVERY = 2000; // ms
const WINDOW = 5; // how many rounds a rate looks back: ten seconds
const KEPT = 150; // five minutes

const at = (id) => document.getElementById(id);
const past = []; // {time, status}, the oldest first
const lines = { decisions: [], hits: [], latency: [], waiting: [] };

function make(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);
const decided = (counts) => counts.allowed + counts.answered + sum(counts.refused);
const number = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });

// What was counted between two moments; a service that was started again begins at nothing.
const between = (before, now) => (now >= before ? now - before : now);

function quantile(buckets, counts, share) {
  const all = counts.reduce((a, b) => a + b, 0);
  if (!all) return null;
  let below = 0;
  for (const [place, count] of counts.entries()) {
    below += count;
    if (below >= share * all) return place < buckets.length ? buckets[place] : Infinity;
  }
  return Infinity;
}

function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds === Infinity) return "over 10 s";
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds} s`;
}

function draw(id, value) {
  const line = lines[id];
  line.push(value === Infinity ? 10 : (value ?? 0));
  if (line.length > KEPT) line.shift();
  const top = Math.max(...line, Number.EPSILON);
  const points = line.map((one, place) => `${(150 - line.length + place + 1).toFixed(1)},${(29 - (28 * one) / top).toFixed(1)}`);
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  drawn.setAttribute("points", points.join(" "));
  at(`${id}-line`).replaceChildren(drawn);
}

function figure(id, text, note, value) {
  at(id).textContent = text;
  at(`${id}-note`).textContent = note;
  draw(id, value);
}

function refusals(then, now) {
  const found = Object.entries(now.reasons)
    .map(([label, { status, remedy }]) => {
      const all = now.counts.refused[label];
      return { label, status, remedy, all, lately: between(then.counts.refused[label] ?? 0, all) };
    })
    .sort((a, b) => b.lately - a.lately || b.all - a.all)
    .slice(0, 8)
    .map(({ label, status, remedy, all, lately }) => {
      const item = make("li", "");
      const row = make("div", "", "row");
      row.append(make("span", String(status), `badge ${status >= 500 ? "bad" : "warn"}`), make("strong", label.replaceAll("_", " ")));
      row.append(make("span", `${number(lately)} lately, ${number(all)} in all`, "count soft"));
      item.append(row, make("p", remedy));
      return item;
    });
  at("refusals").replaceChildren(...found);
  at("refusals").hidden = !found.length;
  at("no-refusals").hidden = found.length > 0;
}

function servers(then, now) {
  const found = Object.entries(now.counts.servers).map(([name, one]) => {
    const before = then.counts.servers[name] ?? one;
    const { open, half_open: half } = one.breaker;
    const [word, kind] = open ? ["breaker open", "bad"] : half ? ["trying again", "warn"] : ["breaker closed", "good"];
    const item = make("li", "");
    const row = make("div", "", "row");
    row.append(make("strong", name), make("span", word, `badge ${kind}`));
    row.append(make("span", `${number(one.in_flight)} under way`, "count soft"));
    const calls = Object.entries(one.calls)
      .filter(([, count]) => count)
      .map(([how, count]) => `${how.replaceAll("_", " ")} ${number(between(before.calls[how] ?? 0, count))} lately (${number(count)})`);
    const shed = sum(one.shed);
    if (one.retries) calls.push(`made again ${number(one.retries)}`);
    if (shed) calls.push(`not made ${number(shed)}`);
    item.append(row, make("p", calls.join(" · ") || "no calls yet", "soft"));
    return item;
  });
  at("servers").replaceChildren(...found);
  at("servers").hidden = !found.length;
  at("no-servers").hidden = found.length > 0;
}

// What kind of thing was purged, never which: one, several.
const KINDS = {
  token: ["token", "tokens"],
  sid: ["session", "sessions"],
  sub: ["person", "people"],
  nameless: ["person, in tokens that name no session", "people, in tokens that name no session"],
  client_id: ["client", "clients"],
  issuer: ["issuer", "issuers"],
};
const BY = {
  call: "by a purge call",
  logout: "by a back-channel logout",
  event: "by a security event",
  agent: "by the OAuth agent",
  machine: "by another machine",
};

function ago(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s ago`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}

function purges(now) {
  const found = now.purges.map(({ at: moment, ago: seconds, how, kinds, everywhere }) => {
    const what = Object.entries(kinds).map(([kind, count]) => `${number(count)} ${KINDS[kind]?.[count > 1 ? 1 : 0] ?? kind}`);
    const item = make("li", "");
    const row = make("div", "", "row");
    const [word, kind] = everywhere ? ["everywhere", "good"] : ["not everywhere: to be told again", "bad"];
    row.append(make("strong", what.join("; ")), make("span", BY[how] ?? how, "soft"), make("span", word, `badge ${kind}`));
    const when = make("time", ago(seconds), "count soft");
    when.dateTime = new Date(moment * 1000).toISOString();
    when.title = when.dateTime;
    row.append(when);
    item.append(row);
    return item;
  });
  at("purges").replaceChildren(...found);
  at("purges").hidden = !found.length;
  at("no-purges").hidden = found.length > 0;
}

function state(text, kind) {
  at("state").textContent = text;
  at("state").className = `state ${kind}`;
}

// How the last change of the settings went, once there was one.
function settings({ succeeded, failed, good_since: since, trouble }) {
  at("settings").hidden = !succeeded && !failed;
  const from = new Date(since * 1000).toLocaleString("sv-SE"); // 2027-01-15 08:00:00
  at("settings").textContent = trouble ? `settings of ${from} in force; as they are now, they can't be used: ${trouble}` : `settings of ${from}`;
  at("settings").className = `state ${trouble ? "bad" : "good"}`;
}

function show(now) {
  past.push({ time: performance.now(), status: now });
  if (past.length > WINDOW + 1) past.shift();
  const { time, status: then } = past[0];
  const seconds = Math.max((past.at(-1).time - time) / 1000, 0.001);
  at("version").textContent = now.version;
  const why = now.unready.reason;
  state(why ? `not ready: ${why.replaceAll("_", " ")}. ${now.unready.detail}` : `ready, ${now.workers} worker${now.workers === 1 ? "" : "s"}`, why ? "bad" : "good");

  settings(now.reloads);

  const rate = past.length > 1 ? between(decided(then.counts), decided(now.counts)) / seconds : 0;
  figure("decisions", number(rate), `${number(now.counts.allowed)} allowed, ${number(sum(now.counts.refused))} refused in all`, rate);

  const lookups = (one) => one.counts.cache.memory ?? { hit: 0, negative: 0, miss: 0 };
  const missed = between(lookups(then).miss, lookups(now).miss);
  const looked = between(sum(lookups(then)), sum(lookups(now)));
  const share = looked ? 1 - missed / looked : null;
  const stale = now.counts.stale ? `, ${number(now.counts.stale)} past their time` : "";
  figure("hits", share === null ? "–" : `${(100 * share).toFixed(1)} %`, `${number(now.counts.ahead)} asked for ahead${stale}`, share);

  const counts = now.counts.latency.map((count, place) => between(then.counts.latency[place], count));
  const slow = quantile(now.buckets, counts, 0.95);
  figure("latency", duration(slow), `half within ${duration(quantile(now.buckets, counts, 0.5))}`, slow);

  const restarts = now.restarts ? `, workers started again ${number(now.restarts)}` : "";
  figure("waiting", number(now.counts.in_flight), `requests${restarts}`, now.counts.in_flight);
  refusals(then, now);
  servers(then, now);
  purges(now);
}

async function ask() {
  try {
    const reply = await fetch("status", { cache: "no-store" });
    if (!reply.ok) throw new Error(String(reply.status));
    show(await reply.json());
  } catch {
    state("no answer; these figures are old", "bad");
  }
  setTimeout(ask, EVERY);
}

ask();
