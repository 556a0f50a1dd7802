// The way of a request: seven stops, drawn once, played for every request. Real times, shown at a pace people can follow.

import { $, el, milliseconds } from "./dom.js";

const STOPS = [
  ["browser", "Browser", "sends an opaque token", "end"],
  ["match", "match", "Which rule is this about?", ""],
  ["find", "find", "Exactly one credential?", ""],
  ["resolve", "resolve", "What does the token mean?", ""],
  ["judge", "judge", "May it be used for this?", ""],
  ["forward", "forward", "What does the API get?", "jwt"],
  ["api", "API", "gets a JWT", "end jwt"],
];
const PACE = 170;
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let playing = 0;

export function drawFlow() {
  $("flow").replaceChildren(
    ...STOPS.map(([name, label, what, kind]) => {
      const stop = el(
        "li",
        `stop ${kind}`,
        el("span", "line", el("i")),
        el("span", "dot"),
        el("b", "", label),
        el("span", "ms"),
        el("span", "what", what),
      );
      stop.dataset.stop = name;
      stop.dataset.state = "idle";
      stop.querySelector(".dot").ariaHidden = "true";
      return stop;
    }),
  );
}

// Plays what happened: *record* has the steps that were taken, the last of them refused if the request was.
export async function playFlow(record, reply) {
  const mine = ++playing;
  const steps = new Map(record.steps.map((step) => [step.verb, step]));
  steps.set("browser", { ok: true, text: record.sent });
  if (record.allowed) steps.set("api", { ok: true, text: reply });
  const stops = [...$("flow").children];
  for (const [index, stop] of stops.entries()) {
    stop.dataset.state = "idle";
    stop.querySelector(".ms").textContent = "";
    stop.querySelector(".what").textContent = STOPS[index][2];
  }
  light("");
  for (const stop of stops) {
    const step = steps.get(stop.dataset.stop);
    if (step && !calm()) {
      stop.dataset.state = "now";
      await pause(PACE);
      if (mine !== playing) return false; // another request is under way
    }
    settle(stop, step);
    if (stop.dataset.stop === "resolve" && step) light(record.source, step.ok);
  }
  return true;
}

function settle(stop, step) {
  stop.dataset.state = step ? (step.ok ? "done" : "refused") : "skipped";
  stop.querySelector(".what").textContent = step ? step.text.replaceAll("-", "\u2011") : "not reached";
  stop.querySelector(".ms").textContent = step?.ms === undefined ? "" : milliseconds(step.ms);
}

function light(source, ok) {
  for (const each of $("sources").querySelectorAll("span")) {
    each.classList.toggle("lit", each.dataset.source === source && ok);
    each.classList.toggle("dark", each.dataset.source === source && !ok);
  }
}
