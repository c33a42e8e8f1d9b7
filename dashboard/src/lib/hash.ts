// The address of a view is in the hash, with its filters as a query: `#/incidents?severity=critical`.
import { useEffect, useState } from 'preact/hooks';

export interface Address {
  path: string;
  query: string;
}

export function addressOf(hash: string): Address {
  const [path = '', query = ''] = split(hash.replace(/^#/, ''));
  return { path: path.startsWith('/') ? path : `/${path}`, query };
}

/** A part of the path of the present address, decoded once. The router decodes a part of the characters only. */
export function segment(index: number, hash = location.hash): string {
  const written = addressOf(hash).path.split('/')[index + 1] ?? '';
  try {
    return decodeURIComponent(written);
  } catch {
    return written;
  }
}

function split(text: string): [string, string] {
  const at = text.indexOf('?');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

export function navigate(to: string, options: { replace?: boolean } = {}): void {
  if (`#${to}` === location.hash) return;
  if (!options.replace) {
    location.hash = to;
    return;
  }
  history.replaceState(history.state, '', `#${to}`);
  dispatchEvent(new HashChangeEvent('hashchange'));
}

function useHash(): string {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => setHash(location.hash);
    changed();
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return hash;
}

/** For the router: the path, and how to go to another one. */
export function useHashPath(): [string, typeof navigate] {
  return [addressOf(useHash()).path, navigate];
}
useHashPath.hrefs = (href: string) => `#${href}`;

/** The filters of the address, and how to change them. A change is a step of the browser's history unless `replace` is set. */
export function useQuery(): [URLSearchParams, (changes: Record<string, string | undefined>, replace?: boolean) => void] {
  const { path, query } = addressOf(useHash());
  const change = (changes: Record<string, string | undefined>, replace = false) => {
    const now = addressOf(location.hash);
    // A field that loses the focus because its view is left must not lead back to the view.
    if (now.path === path) navigate(withQuery(path, now.query, changes), { replace });
  };
  return [new URLSearchParams(query), change];
}

export function withQuery(path: string, query: string, changes: Record<string, string | undefined>): string {
  const parameters = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value) parameters.set(name, value);
    else parameters.delete(name);
  }
  const changed = parameters.toString();
  return changed ? `${path}?${changed}` : path;
}
