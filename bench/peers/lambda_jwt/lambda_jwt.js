// What a Node authorizer for JWTs does, and no more: the key by its `kid` (jwks-rsa), the signature and the times
// (jsonwebtoken), a policy.
"use strict";
const jwt = require("jsonwebtoken");
const { JwksClient } = require("jwks-rsa");

const client = new JwksClient({ jwksUri: process.env.JWKS_URI, cache: true, rateLimit: true });

exports.handler = async (event) => {
  const token = event.authorizationToken.replace("Bearer ", "");
  const { header } = jwt.decode(token, { complete: true });
  const key = await client.getSigningKey(header.kid);
  const claims = jwt.verify(token, key.getPublicKey(), { algorithms: ["RS256"] });
  return {
    principalId: claims.sub,
    policyDocument: {
      Version: "2012-10-17",
      Statement: [{ Action: "execute-api:Invoke", Effect: "Allow", Resource: process.env.RESOURCE }],
    },
    context: { Authorization: `Bearer ${token}` },
  };
};
