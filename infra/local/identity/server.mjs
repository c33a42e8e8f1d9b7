// The OpenID provider of the local cloud. Dashboard and tests sign in here as they do at Cognito, Auth0 or Keycloak: code
// flow with PKCE, a login page that asks for a password, access tokens as JWTs, and refresh tokens.
//
//     node server.mjs PORT KEY_FILE KEY_ID USERS_FILE
//
// The key is the one that signs the tokens of `cloud.py token`. So the issuer's documents vouch for both. Its id is part of
// the issuer's address, because the emulated gateway remembers documents by their address. Sessions are in memory.

import { createServer } from 'node:http';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

import Provider from 'oidc-provider';

import { readForm, sendPage, loginPage, messagePage, signingOutPage } from './pages.mjs';
import { Users } from './users.mjs';

// The value of `aud` in every access token, and the address by which clients may ask for it.
const AUDIENCE = 'meterflow';
const RESOURCE = 'urn:meterflow:api';
const SCOPES = ['anomalies:read', 'anomalies:write', 'anomalies:admin'];
const HOUR = 60 * 60;
// The clients with the seconds for which their access tokens are valid. The second one is for tests of sessions that outlive a token.
const CLIENTS = { 'meterflow-dashboard': HOUR / 4, 'meterflow-dashboard-brief': 20 };

const [port, keyFile, keyId, usersFile] = process.argv.slice(2);
const mount = `/${keyId}`;
const users = new Users(JSON.parse(readFileSync(usersFile, 'utf8')));
const provider = new Provider(`http://127.0.0.1:${port}${mount}`, {
  jwks: { keys: [{ ...createPrivateKey(readFileSync(keyFile)).export({ format: 'jwk' }), kid: keyId, use: 'sig', alg: 'RS256' }] },
  clients: Object.keys(CLIENTS).map((client_id) => ({
    client_id,
    client_name: 'MeterFlow',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: ['http://127.0.0.1/'],
    post_logout_redirect_uris: ['http://127.0.0.1/'],
  })),
  scopes: ['openid', 'profile', 'offline_access'],
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'] },
  // The page shows the name without another request.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  ttl: { AccessToken: (_, token, client) => CLIENTS[client.clientId], IdToken: HOUR / 4, RefreshToken: 12 * HOUR, Session: 12 * HOUR, Grant: 12 * HOUR, Interaction: HOUR },
  findAccount: (_, name) => users.account(name),
  loadExistingGrant: grantOfUser,
  // A public client gets refresh tokens too. Each is used once, and ends with the session.
  issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  clientBasedCORS: (_, origin) => isOfThisMachine(origin),
  extraTokenClaims: (_, token) => users.claims(token.accountId),
  interactions: { url: (_, interaction) => `${mount}/interaction/${interaction.uid}` },
  renderError: (context, answer) => {
    context.type = 'html';
    context.body = messagePage('Signing in failed', `${answer.error}: ${answer.error_description ?? ''}`);
  },
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => RESOURCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: SCOPES.join(' '), audience: AUDIENCE, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
    },
    revocation: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (context, form) => { context.body = signingOutPage(context, form); },
      postLogoutSuccessSource: (context) => { context.body = messagePage('Signed out', 'You may close this page.'); },
    },
  },
});

// The address of the dashboard holds the id of the API, which is new with each deployment. So any page of this machine may be
// returned to. The proof of PKCE keeps the code useless to others.
provider.Client.prototype.redirectUriAllowed = isOfThisMachine;
provider.Client.prototype.postLogoutRedirectUriAllowed = isOfThisMachine;

function isOfThisMachine(address) {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return protocol === 'http:' && (['127.0.0.1', 'localhost'].includes(hostname) || hostname.endsWith('.localhost'));
}

// Nobody is asked for consent: a user has the scopes that the file of users gives, and no others.
async function grantOfUser(context) {
  const { client, session, provider: own } = context.oidc;
  const grant = new own.Grant({ clientId: client.clientId, accountId: session.accountId });
  const scopes = users.scopes(session.accountId);
  grant.addOIDCScope('openid profile offline_access');
  for (const scope of SCOPES) {
    if (scopes.includes(scope)) grant.addResourceScope(RESOURCE, scope);
    else grant.rejectResourceScope(RESOURCE, scope);
  }
  await grant.save();
  return grant;
}

async function logIn(request, response) {
  const interaction = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') return sendPage(response, 200, loginPage());
  const form = await readForm(request);
  const name = form.get('user') ?? '';
  if (!users.hasPassword(name, form.get('password') ?? '')) {
    return sendPage(response, 401, loginPage(name, 'The user name or the password is wrong.'));
  }
  await provider.interactionFinished(request, response, { ...interaction.lastSubmission, login: { accountId: name } });
}

const serve = provider.callback();
const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://127.0.0.1').pathname;
  if (!path.startsWith(`${mount}/`)) return sendPage(response, 404, messagePage('Not found', 'Nothing is at this address.'));
  if (!path.startsWith(`${mount}/interaction/`)) {
    // The provider's routes know nothing of the folder that they are in.
    request.originalUrl = request.url;
    request.url = request.url.slice(mount.length);
    return serve(request, response);
  }
  logIn(request, response).catch((error) => {
    console.error(error);
    sendPage(response, 400, messagePage('Signing in failed', 'This page has expired. Go back to the dashboard and sign in again.'));
  });
});
server.listen(Number(port), '127.0.0.1', () => console.log(`The issuer is at ${provider.issuer}`));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
