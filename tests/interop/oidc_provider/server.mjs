// oidc-provider as the tests need it: opaque tokens by client credentials, introspection for the gateway, in memory.
// Prints its issuer when it listens, and ends when its standard input does, so it never outlives the test.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      client('service', ['client_credentials'], { scope: 'read write' }),
      client('gateway', []),
    ],
    scopes: ['read', 'write'],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: (_, asker) => asker.clientId === 'gateway' },
      revocation: { enabled: true },
    },
    ttl: { ClientCredentials: 120 },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});

function client(name, grants, more = {}) {
  return {
    client_id: name, client_secret: `${name}-secret`, grant_types: grants, redirect_uris: [], response_types: [], ...more,
  };
}

process.stdin.on('end', () => process.exit(0)).resume();
