import { expect, test } from 'vitest';
import { claimsOf, rightsOf } from './rights';

const scopes = { read: 'anomalies:read', write: 'anomalies:write', admin: 'anomalies:admin' };
const encoded = (value: string) =>
  btoa(Array.from(new TextEncoder().encode(value), (byte) => String.fromCharCode(byte)).join('')).replaceAll('+', '-').replaceAll('/', '_');
const token = (claims: object) => `e30.${encoded(JSON.stringify(claims))}.sig`;

test('scopes are words of `scope`', () => {
  const rights = rightsOf(token({ scope: 'openid anomalies:read anomalies:write', sub: 'ann' }), scopes);
  expect(rights).toEqual({ read: true, write: true, admin: false, customer: undefined, name: 'ann' });
});

test('scopes are also a list in `scp`', () => {
  expect(rightsOf(token({ scp: ['anomalies:admin'] }), scopes)).toMatchObject({ read: false, admin: true });
});

test('a part of a name is no scope', () => {
  expect(rightsOf(token({ scope: 'anomalies:readonly xanomalies:write' }), scopes)).toMatchObject({ read: false, write: false });
});

test('a token bound to a customer says so', () => {
  expect(rightsOf(token({ scope: 'anomalies:read', customer_id: 'acme' }), scopes).customer).toBe('acme');
});

test('a token that is no JWT has the scopes that the provider granted', () => {
  expect(rightsOf('opaque', scopes, 'openid anomalies:read')).toMatchObject({ read: true, write: false });
});

test('scopes in the token win over those beside it', () => {
  expect(rightsOf(token({ scope: 'anomalies:read' }), scopes, 'anomalies:admin').admin).toBe(false);
});

test('the name of the person is read as UTF-8', () => {
  expect(rightsOf(token({ name: 'Jörg' }), scopes).name).toBe('Jörg');
});

test.each(['', 'a', 'a.b.c', 'a.!!.c', `a.${encoded('5')}.c`])('%s has no claims', (broken) =>
  expect(claimsOf(broken)).toEqual({}));
