// oidc-provider as the tests need it: opaque tokens by client credentials, introspection for the gateway, in memory.
// With the argument `phantom_token`, its introspection answers carry a JWT in that member, by a feature of its own.
// A second argument is JSON with more clients, each as their metadata (RFC 7591 and RFC 9701 §6); those whose name begins
// with `gateway` may introspect, and those with redirect_uris log people in, by any name and password; their access tokens
// last as many seconds as a third argument says, their refresh tokens rotate, and the second use of one ends everything.
// A client that asks for `resource=https://api.example/RS256` (or ES256) gets a JWT for it (RFC 9068, RFC 8707), signed so.
// POST /rotate makes new keys and publishes no other from then on.
// Prints its issuer when it listens, then a line for each grant that it gave or refused and for each token. It ends when
// its standard input does, so it never outlives the test.
import { createServer } from 'node:http';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { Provider, errors } from 'oidc-provider';

const SECONDS = 120;
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const APIS = ['orders', 'stock'];
const member = process.argv[2];
const more = JSON.parse(process.argv[3] ?? '[]');
const login = more.some(({ redirect_uris: pages }) => pages);
const { privateKey } = await generateKeyPair('ES256');
const RESOURCES = 'https://api.example/';
let generation = 0;

const server = createServer();
server.listen(0, '127.0.0.1', async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let answer = await provider(issuer);
  server.on('request', async (request, response) => {
    if (request.method === 'POST' && request.url === '/rotate') {
      answer = await provider(issuer);
      response.end();
    } else {
      answer(request, response);
    }
  });
  console.log(issuer);
});

// The server with keys of its own. What it has issued is in memory, and outlives it.
async function provider(issuer) {
  generation += 1;
  const signing = await Promise.all(['RS256', 'ES256'].map(async (alg) => {
    const pair = await generateKeyPair(alg, { extractable: true });
    return { ...(await exportJWK(pair.privateKey)), use: 'sig', alg, kid: `${alg}-${generation}` };
  }));
  const made = new Provider(issuer, {
    clients: [
      client('service', ['client_credentials'], { scope: 'read write' }),
      client('gateway', []),
      ...more.map((metadata) => client(metadata.client_id, [], metadata)),
    ],
    jwks: { keys: signing },
    scopes: login ? ['openid', 'offline_access', 'read', 'write', 'orders:write'] : ['read', 'write'],
    claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
    cookies: { keys: ['for tests'] },
    issueRefreshToken: (_, asker) => asker.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    // Its own would not call loopback, where the client hears of a logout.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    findAccount: async (_, id) => ({
      accountId: id, claims: async () => ({ sub: id, name: `Person ${id}`, email: `${id}@example.com` }),
    }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: login },
      rpInitiatedLogout: { enabled: login },
      backchannelLogout: { enabled: login },
      userinfo: { enabled: login },
      introspection: { enabled: true, allowedPolicy: (_, asker) => asker.clientId.startsWith('gateway') },
      revocation: { enabled: true },
      jwtIntrospection: { enabled: true },
      encryption: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: (_, resource) => ({
          scope: 'read write',
          accessTokenTTL: SECONDS,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: resource.replace(RESOURCES, '') } },
        }),
      },
    },
    enabledJWA: {
      introspectionSigningAlgValues: ['RS256', 'ES256'],
      introspectionEncryptionAlgValues: ['RSA-OAEP-256', 'ECDH-ES'],
      introspectionEncryptionEncValues: ['A256GCM', 'A128CBC-HS256'],
      clientAuthSigningAlgValues: ['HS256', 'RS256', 'ES256', 'EdDSA'],
    },
    ttl: {
      ClientCredentials: SECONDS, AccessToken: Number(process.argv[4] ?? SECONDS), IdToken: SECONDS, RefreshToken: 3600,
      Session: 3600, Interaction: 600, Grant: 3600,
    },
    // For an opaque token these are told by introspection only.
    extraTokenClaims: async (_, token) => (member ? { [member]: await jwt(issuer, token) } : undefined),
  });
  for (const event of ['success', 'error']) {
    made.on(`grant.${event}`, (ctx) => console.log(`grant ${ctx.oidc.params?.grant_type} ${event}`));
  }
  for (const kind of ['access_token', 'refresh_token']) {
    made.on(`${kind}.saved`, (token) => console.log(`given ${token.jti}`)); // of an opaque token, the token itself
  }
  made.registerGrantType(EXCHANGE, exchange(made), [
    'subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'resource', 'scope',
  ]);
  return made.callback();
}

function client(name, grants, more = {}) {
  return {
    client_id: name, client_secret: `${name}-secret`, grant_types: grants, redirect_uris: [], response_types: [], ...more,
  };
}

// Token exchange (RFC 8693) is no part of oidc-provider: this grant is ours, on its token endpoint, its client
// authentication, its tokens and its signing keys. Clients may be told to have the grant by their metadata.
function exchange(provider) {
  return async (ctx) => {
    const { subject_token: subject, subject_token_type: type, audience } = ctx.oidc.params;
    if (type !== ACCESS_TOKEN) throw new errors.InvalidRequest('want an access token');
    const source = await provider.ClientCredentials.find(subject);
    if (!source) throw new errors.InvalidRequest('the subject token is not active');
    if (!APIS.includes(audience)) throw new errors.InvalidTarget('no API of ours');
    const made = new provider.ClientCredentials({
      client: await provider.Client.find(source.clientId), scope: source.scope,
    });
    made.resourceServer = new provider.ResourceServer(audience, {
      audience, scope: source.scope, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
    });
    ctx.body = {
      access_token: await made.save(), issued_token_type: ACCESS_TOKEN, token_type: 'Bearer', expires_in: made.expiration,
    };
  };
}

function jwt(issuer, token) {
  return new SignJWT({ client_id: token.clientId, scope: token.scope })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
    .setIssuer(issuer).setSubject(token.clientId).setIssuedAt().setExpirationTime(`${SECONDS}s`)
    .sign(privateKey);
}

process.stdin.on('end', () => process.exit(0)).resume();
