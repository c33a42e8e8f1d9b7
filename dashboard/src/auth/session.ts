// Signing in by OpenID Connect: code flow with PKCE. Tokens are in memory alone, so a reload asks the provider again, which
// answers at once while its own session lasts. Only the state of a sign-in under way is in the session storage.
import { InMemoryWebStorage, UserManager, WebStorageStateStore, type User } from 'oidc-client-ts';
import { pageAddress, type Config } from '../config';
import { rightsOf, type Rights } from './rights';

export interface Session {
  rights: Rights;
  /** A token that is valid now. Asks the provider for a new one if the present one is about to end. */
  token(): Promise<string>;
  /** A new token by the refresh token. Throws if the provider gives none. */
  renew(): Promise<string>;
  signOut(): Promise<void>;
}

const SIGNED_OUT = 'dashboard.signed-out';
const LEAST_SECONDS_LEFT = 10;

export function managerOf(config: Config): UserManager {
  return new UserManager({
    authority: config.issuer,
    client_id: config.client_id,
    redirect_uri: pageAddress(),
    post_logout_redirect_uri: pageAddress(),
    scope: config.sign_in_scope,
    extraQueryParams: config.audience ? { audience: config.audience } : {},
    userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
    stateStore: new WebStorageStateStore({ store: sessionStorage }),
    // Tokens are renewed when a request needs one; see `sessionOf`.
    automaticSilentRenew: false,
    monitorSession: false,
    loadUserInfo: false,
  });
}

/** Ends a sign-in that the provider has just answered, and puts the address back that the person asked for. */
export async function arrive(manager: UserManager): Promise<User | null> {
  const query = new URLSearchParams(location.search);
  if (!query.has('state')) return null;
  const answered = query.has('code') || query.has('error');
  try {
    if (!answered) return null;
    const user = await manager.signinRedirectCallback();
    const state = user.state as { hash?: string } | undefined;
    history.replaceState(null, '', location.pathname + (state?.hash ?? ''));
    return user;
  } finally {
    if (location.search) history.replaceState(null, '', location.pathname + location.hash);
  }
}

export async function signIn(manager: UserManager): Promise<void> {
  sessionStorage.removeItem(SIGNED_OUT);
  await manager.signinRedirect({ state: { hash: location.hash } });
}

/** Whether the person has just signed out, so that the page must not sign in again by itself. */
export const hasSignedOut = () => sessionStorage.getItem(SIGNED_OUT) !== null;

export function sessionOf(manager: UserManager, config: Config, first: User): Session {
  let user = first;
  let renewal: Promise<string> | undefined;

  // Several requests that need a token at once share one renewal, because a refresh token is good for one use.
  const renew = () =>
    (renewal ??= renewed(manager, user)
      .then((next) => {
        user = next;
        return next.access_token;
      })
      .finally(() => (renewal = undefined)));

  return {
    rights: rightsOf(first.access_token, config.scopes, first.scope, first.profile),
    token: async () => ((user.expires_in ?? Infinity) > LEAST_SECONDS_LEFT ? user.access_token : renew()),
    renew,
    signOut: () => signOut(manager),
  };
}

async function renewed(manager: UserManager, user: User): Promise<User> {
  // Without a refresh token the library would ask in a hidden frame, which the policy of the page does not allow.
  const next = user.refresh_token ? await manager.signinSilent() : null;
  if (!next) throw new Error('The provider gives no new token.');
  return next;
}

async function signOut(manager: UserManager): Promise<void> {
  sessionStorage.setItem(SIGNED_OUT, 'yes');
  // An access token that is a JWT cannot be taken back; it ends within minutes. A provider may know no revocation at all.
  await manager.revokeTokens(['refresh_token']).catch(() => undefined);
  const endpoint = await manager.metadataService.getEndSessionEndpoint().catch(() => undefined);
  // Cognito asks for these two names. Others read the names of the standard, which the library sends.
  const { client_id, post_logout_redirect_uri: logout_uri = '' } = manager.settings;
  if (endpoint) return manager.signoutRedirect({ state: {}, extraQueryParams: { client_id, logout_uri } });
  await manager.removeUser();
  location.reload();
}
