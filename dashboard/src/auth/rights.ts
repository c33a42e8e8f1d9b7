import type { Config } from '../config';

/** What the token of a person allows. The page offers nothing else; the API decides. */
export interface Rights {
  read: boolean;
  write: boolean;
  admin: boolean;
  /** The one customer that the token shows, if it is bound to one. */
  customer?: string;
  name: string;
}

type Claims = Record<string, unknown>;

/** The claims of a JWT, or nothing for a token that is none. The signature is for the API to verify. */
export function claimsOf(token: string): Claims {
  const payload = token.split('.')[1];
  if (!payload) return {};
  try {
    const binary = atob(payload.replaceAll('-', '+').replaceAll('_', '/'));
    const claims: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (c) => c.charCodeAt(0))));
    return typeof claims === 'object' && claims !== null ? (claims as Claims) : {};
  } catch {
    return {};
  }
}

/** `granted` is the scope that the provider answered beside the token, for tokens that do not carry their scopes. */
export function rightsOf(token: string, scopes: Config['scopes'], granted = '', profile: Claims = {}): Rights {
  const claims = claimsOf(token);
  const own = [...words(claims.scope), ...words(claims.scp)];
  const has = new Set(own.length > 0 ? own : words(granted));
  return {
    read: has.has(scopes.read),
    write: has.has(scopes.write),
    admin: has.has(scopes.admin),
    customer: string(claims.customer_id),
    name: nameOf(profile) ?? nameOf(claims) ?? '',
  };
}

const nameOf = (claims: Claims) =>
  ['name', 'preferred_username', 'email', 'username', 'sub'].map((key) => string(claims[key])).find(Boolean);

const string = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);

const words = (value: unknown): string[] =>
  Array.isArray(value) ? value.map(String) : typeof value === 'string' ? value.split(/\s+/).filter(Boolean) : [];
