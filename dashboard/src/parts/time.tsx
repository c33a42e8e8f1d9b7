import { ago, listTime, localTime, ms, utcTime } from '../lib/format';
import { text } from '../texts';

interface Props {
  at: number | string | null | undefined;
  /** Shows how long ago it is instead of the date. */
  relative?: boolean;
  /** Leaves the present year out. */
  short?: boolean;
}

/** A time in the reader's zone, with UTC on hover. */
export function Time({ at, relative, short }: Props) {
  if (at === null || at === undefined) return <>{text.none}</>;
  const time = ms(at);
  if (!Number.isFinite(time)) return <>{String(at)}</>;
  const title = relative ? `${localTime(time)} · ${utcTime(time)}` : utcTime(time);
  return (
    <time dateTime={new Date(time).toISOString()} title={title}>
      {relative ? ago(time, Date.now()) : short ? listTime(time, Date.now()) : localTime(time)}
    </time>
  );
}
