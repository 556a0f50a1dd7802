// How this page comes by a token: from its own server, for a service; or by code and PKCE, for a person.

import { random } from "./dom.js";

const form = (url, fields) => fetch(url, { method: "POST", body: new URLSearchParams(fields) });

const json = (url, body) =>
  fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

// A service has a secret and a browser can't keep one: the page's server asks for the token.
export async function serviceToken(scope) {
  return read(await json("/demo/service-token", { scope }), "service");
}

// RFC 7636: whoever steals the code on its way back lacks the verifier, which never leaves this page until then.
export async function logIn(about, scope) {
  const verifier = random(32);
  const state = random(16);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const challenge = btoa(String.fromCharCode(...new Uint8Array(digest)));
  sessionStorage.setItem("login", JSON.stringify({ verifier, state }));
  const asked = new URLSearchParams({
    response_type: "code",
    client_id: about.client_id,
    redirect_uri: about.redirect_uri,
    scope,
    state,
    code_challenge: challenge.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""),
    code_challenge_method: "S256",
  });
  location.assign(`${about.issuer}/authorize?${asked}`);
}

// What the redirect brought back: a token, null when there was none, or an error with words for people.
export async function finishLogin(about) {
  const answer = new URLSearchParams(location.search);
  const begun = JSON.parse(sessionStorage.getItem("login") ?? "null");
  if (!answer.has("state") && !answer.has("code") && !answer.has("error")) return null;
  sessionStorage.removeItem("login");
  history.replaceState(null, "", "/"); // a code belongs in no history
  if (!begun || answer.get("state") !== begun.state) throw new Error("The answer does not belong to a login that began here.");
  if (answer.get("iss") !== about.issuer) throw new Error("The answer comes from another authorization server."); // RFC 9207
  if (answer.has("error")) throw new Error(`The authorization server said: ${answer.get("error")}.`);
  const fields = {
    grant_type: "authorization_code",
    code: answer.get("code"),
    redirect_uri: about.redirect_uri,
    client_id: about.client_id,
    code_verifier: begun.verifier,
  };
  return read(await form(`${about.issuer}/token`, fields), "person");
}

export async function revoke(about, token) {
  const answer =
    token.kind === "service"
      ? await json("/demo/service-revoke", { token: token.value })
      : await form(`${about.issuer}/revoke`, { token: token.value, client_id: about.client_id });
  if (!answer.ok) throw new Error(`The authorization server answered ${answer.status}.`);
}

async function read(answer, kind) {
  const body = await answer.json();
  if (!answer.ok) throw new Error(`The authorization server said: ${body.error_description ?? body.error}.`);
  return { value: body.access_token, scope: body.scope, kind, until: Date.now() + body.expires_in * 1000 };
}
