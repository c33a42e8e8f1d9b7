import { text } from '../texts';
import { number } from './format';

/** A count of the API, which may be of a part. */
export const countOf = (n: number, complete: boolean) => (complete ? number(n) : text.atLeast(number(n)));
