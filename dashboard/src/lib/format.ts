// Numbers and times for people. Numbers have thousands and units; times are in the reader's zone.

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const digits = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

export function number(value: number): string {
  return Math.abs(value) >= 1000 ? whole.format(value) : digits.format(value);
}

/** A value with its unit: bytes and milliseconds in the unit that suits their size, a share as percent. */
export function quantity(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined) return '–';
  if (unit === 'bytes') return scaled(value, ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB']);
  if (unit === 'ms' || unit === 'milliseconds') return duration(value);
  if (unit === 'seconds' || unit === 's') return duration(value * 1000);
  if (unit === 'ratio' || unit === 'share') return `${digits.format(value * 100)} %`;
  return unit ? `${number(value)} ${unit}` : number(value);
}

/** An amount of money: whole units from a hundred on, cents below. */
export function money(amount: number, currency: string): string {
  const fraction = Math.abs(amount) >= 100 ? 0 : 2;
  return `${amount.toLocaleString('en', { minimumFractionDigits: fraction, maximumFractionDigits: fraction })} ${currency}`;
}

/** A value beside an axis: its unit stands elsewhere, unless it depends on the size. */
export function axisValue(value: number, unit: string): string {
  if (value === 0) return '0';
  const scales = ['bytes', 'ms', 'milliseconds', 'seconds', 's', 'ratio', 'share'].includes(unit);
  return scales ? quantity(value, unit) : number(value);
}

export function duration(ms: number): string {
  const size = Math.abs(ms);
  if (size < 1000) return `${digits.format(ms)} ms`;
  if (size < 120_000) return `${digits.format(ms / 1000)} s`;
  if (size < 2 * HOUR) return `${digits.format(ms / 60_000)} min`;
  if (size < 2 * DAY) return `${digits.format(ms / HOUR)} h`;
  return `${digits.format(ms / DAY)} days`;
}

function scaled(value: number, units: readonly string[]): string {
  let index = 0;
  let rest = value;
  while (Math.abs(rest) >= 1000 && index < units.length - 1) {
    rest /= 1000;
    index += 1;
  }
  return `${digits.format(rest)} ${units[index]}`;
}

/** The API answers milliseconds; a text is read as RFC 3339. */
export function ms(time: number | string): number {
  return typeof time === 'number' ? time : Date.parse(time);
}

const minute = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
export const localTime = (at: number) => minute.format(at);

const thisYear = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });

/** A time in a list, without its year if that is the year of `now`. */
export const listTime = (at: number, now: number) =>
  new Date(at).getFullYear() === new Date(now).getFullYear() ? thisYear.format(at) : localTime(at);

export const utcTime = (at: number) => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

const dayOnly = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const hourOnly = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

/** Times beside an axis: days, or hours where the ticks are closer than a day; midnight shows its day. */
export function tickTimes(ticks: readonly number[]): string[] {
  const step = ticks.length > 1 ? ticks[1]! - ticks[0]! : DAY;
  return ticks.map((tick) => {
    const hour = hourOnly.format(tick);
    return step >= DAY || hour === '00:00' ? dayOnly.format(tick) : hour;
  });
}

/** How long ago a time is, in one unit: `5 min ago`, `in 3 h`. */
export function ago(at: number, now: number): string {
  const distance = Math.abs(now - at);
  if (distance < 60_000) return 'just now';
  const words =
    distance < HOUR ? `${Math.round(distance / 60_000)} min`
    : distance < 2 * DAY ? `${Math.round(distance / HOUR)} h`
    : `${Math.round(distance / DAY)} days`;
  return at <= now ? `${words} ago` : `in ${words}`;
}

/** The value that a `datetime-local` field shows for a time, in the reader's zone. */
export function fieldTime(at: number): string {
  const date = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 16);
}
