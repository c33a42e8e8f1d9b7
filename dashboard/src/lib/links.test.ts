import { expect, test } from 'vitest';
import { linkOf, templateOf } from './links';

test('the id is encoded', () => {
  expect(linkOf('https://traces.example/t/{trace_id}?x=1', 'a/../b c')).toBe('https://traces.example/t/a%2F..%2Fb%20c?x=1');
});

test.each(['javascript:alert({trace_id})', 'data:text/html,{trace_id}', '{trace_id}', '/relative/{trace_id}', 'ftp://x/{trace_id}'])(
  '%s is no link',
  (template) => expect(linkOf(template, 'javascript:alert(1)')).toBeUndefined(),
);

test('without a template there is no link', () => expect(linkOf(undefined, 'a')).toBeUndefined());

test('the template of a kind may leave the end of its name out', () => {
  expect(templateOf({ trace: 'a' }, 'trace_id')).toBe('a');
  expect(templateOf({ trace: 'a', trace_id: 'b' }, 'trace_id')).toBe('b');
  expect(templateOf({ trace: 'a' }, 'span_id')).toBeUndefined();
});
