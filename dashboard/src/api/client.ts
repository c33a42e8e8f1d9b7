import createClient from 'openapi-fetch';
import type { Session } from '../auth/session';
import { pageAddress } from '../config';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];

/** The session has ended, and the provider gives no new token: the person must sign in again. */
export const SESSION_ENDED = 'session-ended';

/** A client of the API beside the page, typed by docs/openapi.json. */
export function clientOf(session: Session) {
  return createClient<paths>({
    baseUrl: new URL('.', pageAddress()).href.replace(/\/$/, ''),
    fetch: (request: Request) => send(request, session),
  });
}

export type Client = ReturnType<typeof clientOf>;

async function send(request: Request, session: Session): Promise<Response> {
  const again = request.clone();
  const token = await session.token().catch(ended);
  const response = await fetch(withToken(request, token));
  if (response.status !== 401) return response;
  return fetch(withToken(again, await session.renew().catch(ended)));
}

function withToken(request: Request, token: string): Request {
  request.headers.set('authorization', `Bearer ${token}`);
  return request;
}

function ended(cause: unknown): never {
  // Without network the provider cannot be asked either; the session may still be good.
  if (navigator.onLine) dispatchEvent(new CustomEvent(SESSION_ENDED));
  throw cause;
}
