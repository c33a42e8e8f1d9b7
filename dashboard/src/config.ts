/** What the server says about this installation, in `dashboard.json` beside the page. */
export interface Config {
  issuer: string;
  client_id: string;
  scopes: { read: string; write: string; admin: string };
  sign_in_scope: string;
  audience: string | null;
  links: Record<string, string>;
  version: string;
}

/** The address of the page without hash and query: the API is beside it, and people come back to it after signing in. */
export const pageAddress = () => location.origin + location.pathname;

export async function loadConfig(): Promise<Config> {
  const response = await fetch(new URL('dashboard.json', pageAddress()), { cache: 'no-store' });
  if (!response.ok) throw new Error(`dashboard.json: ${response.status}`);
  return (await response.json()) as Config;
}
