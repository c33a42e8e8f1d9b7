// Ids in paths. The gateway decodes paths, so the API takes an id of odd characters as `~` and its base64url. The addresses
// of the page are written in the same way.

const PLAIN = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

export function pathId(id: string): string {
  return PLAIN.test(id) ? id : `~${base64url(id)}`;
}

/** The id of a path segment. A text that is no valid `~` form is the id itself. */
export function readId(segment: string): string {
  if (!segment.startsWith('~')) return segment;
  try {
    const binary = atob(segment.slice(1).replaceAll('-', '+').replaceAll('_', '/'));
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(binary, (c) => c.charCodeAt(0)));
  } catch {
    return segment;
  }
}

/** The names of an entity in one text: each percent-encoded, with `/` between them. */
export function entityPath(names: readonly string[]): string {
  return names.map(encodeURIComponent).join('/');
}

export function entityNames(path: string): string[] {
  return path.split('/').map((name) => {
    try {
      return decodeURIComponent(name);
    } catch {
      return name;
    }
  });
}

function base64url(text: string): string {
  const binary = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('');
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
