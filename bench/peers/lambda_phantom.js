// What a Node authorizer for phantom tokens does, and no more: one introspection over https, the scopes, a policy.
"use strict";
const https = require("https");

exports.handler = async (event) => {
  const token = event.authorizationToken.replace("Bearer ", "");
  const body = `token=${encodeURIComponent(token)}`;
  const options = {
    host: process.env.HOST,
    port: process.env.PORT,
    path: process.env.INTROSPECTION_PATH,
    method: "POST",
    auth: `${process.env.CLIENT_ID}:${process.env.CLIENT_SECRET}`,
    headers: {
      Accept: "application/jwt",
      "Content-Type": "application/x-www-form-urlencoded",
      "Content-Length": Buffer.byteLength(body),
    },
  };
  const jwt = await new Promise((resolve, reject) => {
    const request = https.request(options, (response) => {
      let data = "";
      response.on("data", (chunk) => (data += chunk));
      response.on("end", () => resolve(data));
    });
    request.on("error", reject);
    request.end(body);
  });
  const claims = JSON.parse(Buffer.from(jwt.split(".")[1], "base64url").toString());
  const granted = claims.scope.split(" ");
  if (!process.env.SCOPE.split(" ").every((scope) => granted.includes(scope))) throw new Error("Unauthorized");
  const stage = event.methodArn.split("/").slice(0, 2).join("/");
  return {
    principalId: claims.sub,
    policyDocument: {
      Version: "2012-10-17",
      Statement: [{ Action: "execute-api:Invoke", Effect: "Allow", Resource: [`${stage}/*`] }],
    },
    context: { Authorization: `Bearer ${jwt}` },
  };
};
