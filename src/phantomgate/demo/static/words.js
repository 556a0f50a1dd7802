// What happened, in plain words: a title, a sentence or two, and how it feels (good, bad, warn).

const times = (count) => (count === 1 ? "once" : count === 2 ? "twice" : `${count} times`);

export function verdict(ask, answer, record, token) {
  const { status } = answer;
  const title = `${status} ${answer.statusText}`;
  if (answer.ok) {
    const how = record.source === "memory" ? "known from memory" : "after asking";
    return { kind: token?.revoked ? "warn" : "good", title: `${title}, ${how}`, text: allowed(ask, record, token) };
  }
  const say = REFUSED[answer.body?.error] ?? (() => "The request was refused.");
  return { kind: status >= 500 ? "warn" : "bad", title, text: say(record, answer, token) };
}

function allowed(ask, record, token) {
  if (token?.revoked) {
    return `The token is revoked, and yet it is let in: the gateway remembers what it was told before, for at most ${record.max_age} seconds. That is the revocation window, and how long it is, is yours to set.`;
  }
  if (ask.forge) {
    return `The browser claimed to be X-User: ${ask.forge}. The API was told who the token really belongs to: identity headers are always overwritten.`;
  }
  if (record.source === "memory") {
    return "The gateway knew this token, so the authorization server was not asked. All rules were checked again all the same: what is remembered is facts, never verdicts.";
  }
  return "The gateway did not know this token, asked the authorization server, and got a JWT for it. The API gets that JWT; this browser never sees it.";
}

const REFUSED = {
  missing_credential: () =>
    "There is no token in the request. The challenge says only which scheme is wanted, and no error code: nothing was wrong, something was missing.",
  invalid_request: () =>
    "What came is no token: a token has no space in it. The authorization server was not bothered with it.",
  invalid_token: (record, _, token) =>
    token?.revoked
      ? "The token is revoked, and the gateway has forgotten what it knew: it asked again and was told so. From here on it stays out."
      : record.source === "memory"
        ? "The authorization server called this token inactive a moment ago. The gateway remembers that too, for a few seconds, so that nobody can use it to wear the server down."
        : "It looks like a token, but the authorization server does not know it. Made up, expired or revoked: from outside they all look the same.",
  insufficient_scope: (_, answer) =>
    `The token is good, but not for this: the rule for this request wants ${scopeOf(answer)}. The challenge names it, so a client knows what to ask for. Tick it above, get a new token, and try again.`,
  access_denied: () => "No rule is about this path, so nobody gets through to it, whatever the token. What is not allowed is refused.",
  temporarily_unavailable: () =>
    "The authorization server does not answer, so nobody can say what this token means. The answer is 503 and never 401: the token may be perfectly good, and the client should keep it and come back.",
};

const scopeOf = (answer) => /scope="([^"]*)"/.exec(answer.challenge ?? "")?.[1] ?? "another scope";

export function past(entries) {
  const mean = (source) => {
    const chosen = entries.filter((entry) => entry.source === source && entry.resolve > 0);
    return chosen.length ? chosen.reduce((sum, entry) => sum + entry.resolve, 0) / chosen.length : 0;
  };
  const [network, memory] = [mean("network"), mean("memory")];
  const asked = entries.filter((entry) => entry.source === "network").length;
  const first = `${entries.length === 1 ? "One request" : `${entries.length} requests`}, and the authorization server was asked ${asked ? times(asked) : "not at all"}.`;
  if (!network || !memory) return first;
  return `${first} A token that is remembered was known ${Math.round(network / memory)} times faster than one that was asked about.`;
}
