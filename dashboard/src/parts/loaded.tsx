import type { ComponentChildren } from 'preact';
import type { Loaded } from '../lib/load';
import { FailureNotice, Loading } from './notice';

/** Shows what is loaded, or that it loads, or why it does not. What was loaded before stays while it loads again. */
export function Show<T>({ of, children }: { of: Loaded<T>; children: (value: T) => ComponentChildren }) {
  return (
    <>
      {of.failure && <FailureNotice failure={of.failure} again={of.again} />}
      {of.value === undefined ? of.loading && <Loading /> : children(of.value)}
    </>
  );
}
