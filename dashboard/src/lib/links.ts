/** The address of an id of an example by the template of its kind, such as `https://traces.example/{trace_id}`. Nothing for
 * an address that is not http or https, whatever a template or an id says. */
export function linkOf(template: string | undefined, id: string): string | undefined {
  if (!template) return undefined;
  const address = template.replace(/\{[a-z_]+\}/g, () => encodeURIComponent(id));
  try {
    const { protocol, href } = new URL(address);
    return protocol === 'https:' || protocol === 'http:' ? href : undefined;
  } catch {
    return undefined;
  }
}

/** The template for ids of a kind: `trace_id` takes the template `trace_id` or `trace`. */
export function templateOf(links: Record<string, string>, kind: string): string | undefined {
  return links[kind] ?? links[kind.replace(/_(id|key)$/, '')];
}
