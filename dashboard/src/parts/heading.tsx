import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { text } from '../texts';

/** The heading of a view. It is also the title of the browser's tab. */
export function Heading({ title, children }: { title: string; children?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · ${text.product}`;
  }, [title]);
  return (
    <div class="heading">
      <h1>{title}</h1>
      {children}
    </div>
  );
}
