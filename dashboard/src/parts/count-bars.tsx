interface Bar {
  name: string;
  count: number;
  link?: string;
  kind?: 'critical' | 'warning';
}

/** Names with their counts as bars, the largest first. */
export function CountBars({ of }: { of: readonly Bar[] }) {
  const most = Math.max(1, ...of.map(({ count }) => count));
  return (
    <ul class="count-bars">
      {[...of].sort((a, b) => b.count - a.count).map(({ name, count, link, kind }) => (
        <li key={name}>
          <span class="name">{link ? <a href={link}><Breaking name={name} /></a> : <Breaking name={name} />}</span>
          <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
            <rect width={(100 * count) / most} height="10" class={kind ?? 'plain-bar'} />
          </svg>
          <span class="number">{count.toLocaleString('en')}</span>
        </li>
      ))}
    </ul>
  );
}

/** A long name breaks behind its underscores. */
const Breaking = ({ name }: { name: string }) => <>{name.split(/(?<=_)/).map((part, index) => <span key={index}>{index > 0 && <wbr />}{part}</span>)}</>;
