// A browser session without tokens: the part of a single-page app that talks to an OAuth agent.
//
// Copy this file into your app; it needs nothing else. The agent does OAuth on the server and gives the browser cookies
// that no script can read. All that this file holds is a CSRF token, in memory, worth nothing without those cookies.
//
//   import { Session } from "./oauth-client.js";
//
//   const session = new Session({ agent: "/oauth-agent", csrfHeader: "x-session-csrf" });
//   session.addEventListener("change", () => draw(session.isLoggedIn));
//
//   await session.start();       // once per page load: ends a login that is under way, and learns who is in
//   await session.logIn();       // leaves the page; start() is called again when the browser comes back
//   const reply = await session.fetch("/api/orders", { method: "POST", body: "…" });     // as fetch, and refreshes
//   await session.logOut();      // leaves the page, in this tab; the others are told
//
// What can't be done is thrown as a SessionError. "change" is dispatched with `detail.why`: "start" (this page knows
// now), "login", "logout" or "expired" (it happened, in this tab or in another).

// RFC 9110 §9.2.1: what changes nothing needs no proof that it was our page that asked.
const SAFE = ["GET", "HEAD", "OPTIONS"];

// What an authorization server adds to the address it sends the browser back to.
const ANSWER = ["code", "state", "iss", "session_state", "error", "error_description", "error_uri", "response"];

// A call to the agent that hangs would keep every tab waiting for its turn to refresh.
const AGENT_TIMEOUT = 20_000;

export class SessionError extends Error {
  // `status` is 0 and `code` "unreachable" when there was no answer at all; otherwise they are the server's. `code` may
  // be "session_expired" (log in again), "session_changed" (somebody has, in another tab), "authorization_server_error"
  // (try later; nothing is lost) and others.
  constructor(status, code, message, retryAfter = 0) {
    super(message);
    this.name = "SessionError";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter; // seconds
  }
}

export class Session extends EventTarget {
  #agent;
  #credentials;
  #csrfHeader;
  #fetch;
  #csrf = "";
  #isLoggedIn = null;
  #refreshes = 0;
  #refreshing = null;
  #learning = Promise.resolve();
  #name;
  #tabs = null;

  // `agent`: where the agent is; the API must be on the same origin. `csrfHeader`: the name that agent and gateway
  // expect. `fetch`: what asks, for those who want to watch or to test.
  constructor({ agent = "/oauth-agent", csrfHeader = "x-session-csrf", fetch = window.fetch.bind(window) } = {}) {
    super();
    this.#agent = new URL(agent, location.href).href.replace(/\/$/, "");
    this.#credentials = new URL(this.#agent).origin === location.origin ? "same-origin" : "include";
    this.#csrfHeader = csrfHeader;
    this.#fetch = fetch;
    this.#name = `oauth-session ${this.#agent}`;
    if ("BroadcastChannel" in globalThis) {
      this.#tabs = new BroadcastChannel(this.#name);
      this.#tabs.addEventListener("message", ({ data }) => this.#heard(data));
    }
    // A page that the back button brings back as it was may show a session that is long over.
    addEventListener("pageshow", ({ persisted }) => persisted && this.#look("start").catch(() => {}));
  }

  // null until start() has asked.
  get isLoggedIn() {
    return this.#isLoggedIn;
  }

  // Call it on every page load, before anything else that looks at the address. Throws when a login that came back here
  // failed (SessionError with the authorization server's code, "access_denied" say); isLoggedIn is right even so. After
  // a login it gives what logIn() was told to return to, if the agent's settings allow that place, and else "".
  async start() {
    const page = new URL(location.href);
    const has = (name) => page.searchParams.has(name);
    const comesBack = has("response") || (has("state") && (has("code") || has("error")));
    if (!comesBack) return this.#look("start");
    // Out of the address before anything is awaited: a code belongs in no history, bookmark or Referer.
    history.replaceState(history.state, "", clean(page));
    let returnTo;
    try {
      returnTo = await this.#learn(page.href, "start");
    } catch (problem) {
      await this.#look("start").catch(() => {}); // this login failed; there may be a session all the same
      throw problem;
    }
    if (this.#isLoggedIn) this.#tell("login");
    return returnTo;
  }

  // Leaves the page for the authorization server's. `returnTo`: where in the app to go on after that, "/orders/7" say.
  async logIn(returnTo = "") {
    const { authorizationRequestUrl } = await this.#ask("/login/start", returnTo ? { returnTo } : {});
    location.assign(web(authorizationRequestUrl));
  }

  // Ends the session here, in every tab, and at the authorization server, whose page it leaves for.
  async logOut() {
    const { url } = await this.#askWithCsrf("/logout").catch((problem) => {
      if (problem.status === 401) return {}; // there is no session to end
      throw problem;
    });
    this.#tell("logout");
    this.#now(false, "logout");
    if (url) location.assign(web(url));
  }

  // As the fetch of the browser, for the API and with the session: adds the CSRF header where it is needed, and when
  // the answer is 401 refreshes the session and asks once more (so a body must be one that can be sent twice: no
  // stream). Throws a SessionError when there is no answer, or no session any more.
  async fetch(path, init = {}) {
    const url = new URL(path, this.#agent);
    // Neither the cookies nor the CSRF token are anybody else's business.
    if (url.origin !== new URL(this.#agent).origin) throw new TypeError(`${url.origin} is not where the session is`);
    const session = this.#csrf;
    let seen = this.#refreshes;
    let reply = await this.#send(url, init);
    for (let turn = 0, ours = false; reply.status === 401 && !ours && turn < 3; turn++) {
      // Somebody may have refreshed while our request was on its way: then it is asked again, and not refreshed again.
      ours = this.#refreshes === seen && (await this.#refresh());
      this.#sameAs(session);
      seen = this.#refreshes;
      reply = await this.#send(url, init);
    }
    if (reply.status === 403 && (await codeOf(reply)) === "forged_request") {
      await this.#look("login"); // perhaps somebody has logged in in a tab that we have not heard of
      this.#sameAs(session);
    }
    return reply;
  }

  // Who is logged in, as the authorization server's userinfo endpoint says.
  async userInfo() {
    return this.#read(await this.fetch(`${this.#agent}/userInfo`));
  }

  // What the ID token says: who logged in, when and how. The token itself stays in its cookie.
  async claims() {
    return this.#read(await this.fetch(`${this.#agent}/claims`));
  }

  // A new access token, now. There is no need to: fetch() does it in time.
  async refresh() {
    await this.#refresh();
  }

  // Nothing is sent again in a session that is not the one it was meant for: it may be somebody else's.
  #sameAs(session) {
    if (this.#csrf !== session) throw new SessionError(409, "session_changed", "Somebody has logged in meanwhile");
  }

  // Whether it was this tab that refreshed. Tabs take turns (Web Locks), so that one refreshes and the others wait for
  // it. Where there are no locks, an agent that is worth its name makes one refresh of many.
  #refresh() {
    this.#refreshing ??= this.#inTurn().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #inTurn() {
    if (!navigator.locks) return this.#askForRefresh();
    const lock = `refresh ${this.#name}`;
    const ours = await navigator.locks.request(lock, { ifAvailable: true }, (turn) => turn && this.#askForRefresh());
    // Another tab is at it. When it is done, the cookies are new, or we will find out and do it ourselves.
    if (!ours) await navigator.locks.request(lock, { mode: "shared" }, () => {});
    return Boolean(ours);
  }

  async #askForRefresh() {
    try {
      await this.#askWithCsrf("/refresh");
    } catch (problem) {
      if (problem.status === 401) {
        this.#tell("expired");
        this.#now(false, "expired");
      }
      throw problem;
    }
    this.#refreshes += 1;
    this.#tell("refreshed");
    return true;
  }

  // What the agent says about this browser; without an answer to a login in it, `page` is no more than where we are.
  // One question at a time: of two answers that are under way, the last to come need not be the one that is true.
  #learn(page, why) {
    const learned = this.#learning.then(() => this.#askWhoIsIn(page, why));
    this.#learning = learned.catch(() => {});
    return learned;
  }

  async #askWhoIsIn(page, why) {
    const said = await this.#ask("/login/end", { pageUrl: page }).catch((problem) => {
      if (problem.code !== "session_expired") throw problem;
      return { isLoggedIn: false, ended: true }; // there are cookies, but their session was ended elsewhere
    });
    const over = said.ended ? why !== "logout" : !said.isLoggedIn && why === "login";
    this.#csrf = said.csrf ?? "";
    this.#now(said.isLoggedIn, over ? "expired" : why);
    return said.returnTo ?? "";
  }

  #look(why) {
    return this.#learn(clean(new URL(location.href)), why);
  }

  #now(isLoggedIn, why) {
    if (!isLoggedIn) this.#csrf = "";
    // A login where somebody is in already is news too: it may be somebody else now.
    const news = why === "start" || this.#isLoggedIn !== isLoggedIn || (why === "login" && isLoggedIn);
    this.#isLoggedIn = isLoggedIn;
    if (news) this.dispatchEvent(new CustomEvent("change", { detail: { why } }));
  }

  #tell(what) {
    this.#tabs?.postMessage(what);
  }

  // Another tab's word is a reason to ask, and not believed: the agent knows.
  #heard(what) {
    if (what === "refreshed") this.#refreshes += 1;
    else this.#look(what).catch(() => {});
  }

  async #askWithCsrf(path) {
    const csrf = this.#csrf;
    try {
      return await this.#ask(path);
    } catch (problem) {
      if (problem.status !== 401 || problem.code === "session_expired") throw problem;
      await this.#look("login"); // as there
      if (!this.#isLoggedIn || this.#csrf === csrf) throw problem;
      return this.#ask(path);
    }
  }

  async #ask(path, body) {
    const headers = { Accept: "application/json" };
    const init = { method: "POST", headers, signal: AbortSignal.timeout(AGENT_TIMEOUT) };
    if (body) {
      headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(body);
    }
    return this.#read(await this.#send(this.#agent + path, init));
  }

  async #send(url, init) {
    const headers = new Headers(init.headers);
    const method = (init.method ?? "GET").toUpperCase();
    if (!SAFE.includes(method) && this.#csrf) headers.set(this.#csrfHeader, this.#csrf);
    try {
      // A redirect would take what we send to an address that nobody here has checked.
      const credentials = this.#credentials;
      return await this.#fetch(url, { cache: "no-store", redirect: "error", ...init, headers, credentials });
    } catch (problem) {
      if (init.signal?.aborted && problem.name === "AbortError") throw problem;
      throw new SessionError(0, "unreachable", "There is no answer");
    }
  }

  async #read(reply) {
    const said = await reply.json().catch(() => ({}));
    if (reply.ok) return said;
    const code = said.code ?? said.error ?? "server_error";
    const message = said.message ?? said.error_description ?? `The server answered ${reply.status}`;
    throw new SessionError(reply.status, code, message, Number(reply.headers.get("Retry-After")) || 0);
  }
}

// The code of a refusal of the gateway's; the body can be read again.
async function codeOf(reply) {
  return (await reply.clone().json().catch(() => ({}))).error;
}

// The address without what an authorization server has added to it.
function clean(page) {
  const url = new URL(page);
  if (ANSWER.some((name) => url.searchParams.has(name))) for (const name of ANSWER) url.searchParams.delete(name);
  return url.href;
}

// The address of a page, and never of a script ("javascript:").
function web(address) {
  const url = new URL(address);
  if (!["https:", "http:"].includes(url.protocol)) throw new TypeError(`${url.protocol} is not a page's address`);
  return url.href;
}
