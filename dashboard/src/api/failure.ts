import { text } from '../texts';

/** Why a request did not succeed, in words for people. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code?: string,
    readonly requestId?: string,
    /** The parameter, or the field of the body, that the API refuses. */
    readonly parameter?: string,
  ) {
    super(message);
    this.name = 'Failure';
  }
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of an answer of JSON; texts are CSV alone. Throws a Failure if the API answered a problem, or nothing at all. */
export async function dataOf<T>(asked: Promise<Answer<T>>): Promise<Exclude<T, string>> {
  const answer = await answerOf(asked);
  return answer.data as Exclude<T, string>;
}

export async function answerOf<T>(asked: Promise<Answer<T>>): Promise<Answer<T>> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch (cause) {
    throw asFailure(cause);
  }
  if (answer.response.ok) return answer;
  throw problem(answer.error, answer.response);
}

export function asFailure(cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  if (cause instanceof DOMException && cause.name === 'AbortError') return new Failure(text.failure.aborted, -1);
  return new Failure(navigator.onLine ? text.failure.unreachable : text.failure.offline, 0);
}

function problem(body: unknown, response: Response): Failure {
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const said = [fields.detail, fields.message].find((value) => typeof value === 'string') as string | undefined;
  const wait = response.headers.get('retry-after');
  const words = said ?? text.failure.status(response.status);
  const untold = wait && /^\d+$/.test(wait) && !/try again/i.test(words);
  return new Failure(untold ? `${words} ${text.failure.wait(wait)}` : words, response.status, string(fields.code), string(fields.request_id), string(fields.parameter));
}

const string = (value: unknown) => (typeof value === 'string' ? value : undefined);
