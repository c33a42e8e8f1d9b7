import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { pathId } from '../api/ids';
import { usePage } from '../lib/context';
import { text } from '../texts';
import { Bell } from './bell';
import { ThemeChoice } from './theme-choice';

/** What surrounds each view: the views that the person may open, the bell, colours, and signing out. */
export function Frame({ children }: { children: ComponentChildren }) {
  const { rights, signOut } = usePage();
  const [path] = useLocation();
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);

  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [path]);

  const own = rights.customer;
  const views = own
    ? [[`/customers/${pathId(own)}`, text.views.customer], ['/incidents', text.views.incidents], ['/anomalies', text.views.anomalies]]
    : [
        ['/overview', text.views.overview],
        ['/incidents', text.views.incidents],
        ['/anomalies', text.views.anomalies],
        ...(rights.admin ? [['/runs', text.views.runs], ['/settings', text.views.settings]] : []),
      ];
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        {text.views.skip}
      </a>
      <header class="frame">
        <span class="product">{text.product}</span>
        <nav aria-label={text.views.navigation}>
          {views.map(([to = '', label]) => (
            <Link key={to} href={to} aria-current={path === to || path.startsWith(`${to}/`) ? 'page' : undefined}>
              {label}
            </Link>
          ))}
        </nav>
        <div class="tools">
          <Bell />
          <ThemeChoice />
          <button type="button" class="plain" onClick={signOut} title={text.sign.as(rights.name)}>
            {text.sign.out}
          </button>
        </div>
      </header>
      <main ref={main} tabIndex={-1}>
        {children}
      </main>
    </>
  );
}
