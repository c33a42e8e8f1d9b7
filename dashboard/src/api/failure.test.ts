import { expect, test } from 'vitest';
import { answerOf, Failure } from './failure';

const answer = (status: number, error: unknown, headers: Record<string, string> = {}) =>
  answerOf(Promise.resolve({ error, response: new Response(null, { status, headers }) })).then(
    () => undefined,
    (cause: unknown) => cause as Failure,
  );

test('a problem is told in the words of the API, with its code and its request', async () => {
  const failure = await answer(409, { detail: 'It is closed.', code: 'invalid_state', request_id: 'r1', parameter: 'state' });
  expect(failure).toMatchObject({ message: 'It is closed.', status: 409, code: 'invalid_state', requestId: 'r1', parameter: 'state' });
});

test('the gateway answers a message', async () => {
  expect((await answer(403, { message: 'Forbidden' }))?.message).toBe('Forbidden');
});

test('the time to wait is told once', async () => {
  const wait = { 'retry-after': '10' };
  expect((await answer(503, { detail: 'No store.' }, wait))?.message).toBe('No store. Try again in 10 s.');
  expect((await answer(503, { detail: 'no store; try again in 10 seconds' }, wait))?.message).toBe('no store; try again in 10 seconds');
});

test.each([undefined, '', 'text', null, { detail: 5 }])('%j is no problem document', async (body) => {
  expect((await answer(502, body))?.message).toBe('The API answered with the status 502.');
});
