// Draws what the app knows. Everything that comes from a server becomes text, never markup.

export const $ = (id) => document.getElementById(id);

export function el(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

// One of three: nobody knows yet, outside, inside. Who had the focus in what is gone now goes on at the top.
export function show(isLoggedIn) {
  const before = document.activeElement;
  $("wait").hidden = isLoggedIn !== null;
  $("outside").hidden = isLoggedIn !== false;
  $("inside").hidden = !isLoggedIn;
  $("who").hidden = !isLoggedIn;
  if (before !== document.body && !before.checkVisibility()) $("main").focus({ preventScroll: true });
}

export function facts(id, pairs) {
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  $(id).replaceChildren(...pairs.map(([name, value]) => el("div", "", el("dt", "", name), el("dd", "", text(value)))));
}

export function orders(list) {
  $("orders").replaceChildren(
    ...list.map(({ id, item, status }) => {
      const state = el("span", "state", status);
      state.dataset.status = status;
      return el("li", "", el("span", "number", `#${id}`), el("span", "item", item), state);
    }),
  );
}

// What a script that somebody smuggled in here would find. The CSRF token is in memory, and of no use elsewhere.
export function holds() {
  facts("holds", [
    ["Cookies", document.cookie || "none that it can read"],
    ["localStorage", localStorage.length ? `${localStorage.length} entries` : "empty"],
    ["sessionStorage", sessionStorage.length ? `${sessionStorage.length} entries` : "empty"],
  ]);
}

export function upstream(received) {
  const sent = received.headers.find(([name]) => name.toLowerCase() === "authorization");
  const { sub, scope, aud, exp } = received.jwt.claims;
  facts("upstream", [
    ["Authorization", sent ? sent[1] : "nothing"],
    ["Its claims", `sub ${sub}, scope ${scope}, aud ${aud}`],
    ["Good until", new Date(exp * 1000).toLocaleTimeString()],
    ["Cookie", received.headers.some(([name]) => name.toLowerCase() === "cookie") ? "some of your own" : "none"],
  ]);
}

export function call(method, path, status) {
  const kind = status >= 200 && status < 400 ? "ok" : "no";
  const time = el("time", "soft", new Date().toLocaleTimeString());
  const what = el("span", "ask", `${method} ${path}`);
  $("log").prepend(el("li", "", el("span", `status ${kind}`, String(status || "–")), what, time));
  while ($("log").children.length > 12) $("log").lastChild.remove();
}

// `again`: what "Try again" does; without it there is nothing to try.
export function alert(kind, title, text, again = null) {
  $("alert").className = `alert ${kind}`;
  $("alert-title").textContent = title;
  $("alert-text").textContent = text;
  $("alert-again").hidden = !again;
  $("alert-again").onclick = () => {
    quiet();
    again();
  };
  $("alert").hidden = false;
}

export function quiet() {
  $("alert").hidden = true;
}
