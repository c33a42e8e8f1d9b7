import { text } from '../texts';

/** Says that the figures beside it are of a part, because the API had no time to count all. */
export const InPart = ({ of }: { of: { complete: boolean } }) => (of.complete ? null : <p class="quiet" role="note">{text.inPart}</p>);
