// From opening the page to a view: settings, then signing in, then the app.
import type { VNode } from 'preact';
import type { UserManager } from 'oidc-client-ts';
import { clientOf, SESSION_ENDED } from './api/client';
import { App } from './app';
import { arrive, hasSignedOut, managerOf, sessionOf, signIn } from './auth/session';
import { loadConfig, type Config } from './config';
import { Door } from './parts/door';
import { text } from './texts';

type Show = (view: VNode) => void;

export async function start(show: Show): Promise<void> {
  show(<Door title={text.sign.working} />);
  let config: Config;
  try {
    config = await loadConfig();
  } catch {
    const again = { label: text.failure.again, act: () => void start(show) };
    return show(<Door title={text.sign.configFailed} hint={text.sign.configHint} button={again} />);
  }
  const manager = managerOf(config);
  const button = { label: text.sign.in, act: () => go(manager, show) };
  try {
    const user = await arrive(manager);
    if (!user && hasSignedOut()) return show(<Door title={text.sign.signedOut} button={button} />);
    if (!user) return await signIn(manager);

    const session = sessionOf(manager, config, user);
    if (!session.rights.read) {
      const leave = { label: text.sign.out, act: () => void session.signOut() };
      return show(<Door title={text.sign.noRights} hint={text.sign.noRightsHint} button={leave} />);
    }
    const page = { client: clientOf(session), rights: session.rights, config, signOut: () => void session.signOut() };
    addEventListener(
      SESSION_ENDED,
      () => show(<Door title={text.sign.ended} hint={text.sign.endedHint} button={button} />),
      { once: true },
    );
    show(<App page={page} />);
  } catch (cause) {
    show(<Door title={text.sign.failed} hint={cause instanceof Error ? cause.message : ''} button={button} />);
  }
}

function go(manager: UserManager, show: Show): void {
  signIn(manager).catch((cause: unknown) =>
    show(
      <Door
        title={text.sign.failed}
        hint={cause instanceof Error ? cause.message : ''}
        button={{ label: text.failure.again, act: () => go(manager, show) }}
      />,
    ),
  );
}
