// What the Node authorizer for an OAuth proxy does with a session, and no more: the origin, the CSRF token, the cookie
// in format v1, a policy. It asks nobody (USE_PHANTOM_TOKEN is false).
"use strict";
const { createDecipheriv } = require("crypto");

function open(text) {
  const data = Buffer.from(text, "base64url");
  const decipher = createDecipheriv("aes-256-gcm", Buffer.from(process.env.ENCRYPTION_KEY, "hex"), data.subarray(1, 13));
  decipher.setAuthTag(data.subarray(-16));
  return Buffer.concat([decipher.update(data.subarray(13, -16)), decipher.final()]).toString("utf8");
}

exports.handler = async (event) => {
  const prefix = process.env.COOKIE_NAME_PREFIX;
  const pairs = event.headers.cookie.split(";").map((pair) => pair.trim().split("="));
  const cookies = Object.fromEntries(pairs);
  if (!process.env.TRUSTED_WEB_ORIGINS.split(",").includes(event.headers.origin)) throw new Error("Unauthorized");
  if (["POST", "PUT", "PATCH", "DELETE"].includes(event.httpMethod)) {
    if (open(cookies[`${prefix}-csrf`]) !== event.headers[`x-${prefix}-csrf`]) throw new Error("Unauthorized");
  }
  const token = open(cookies[`${prefix}-at`]);
  const stage = event.methodArn.split("/").slice(0, 2).join("/");
  return {
    principalId: token,
    policyDocument: {
      Version: "2012-10-17",
      Statement: [{ Action: "execute-api:Invoke", Effect: "Allow", Resource: [`${stage}/*`] }],
    },
    context: { token: `Bearer ${token}` },
  };
};
