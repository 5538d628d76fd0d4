// Numbers, times and money, as people read them.

const DASH = '–';
const missing = (value) => value === null || value === undefined;

/** A count; large ones in short: 1,234 and 12.3k. */
export function count(value) {
  if (missing(value)) return DASH;
  if (value < 10000) return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
  const [size, unit] = value < 1e6 ? [1e3, 'k'] : value < 1e9 ? [1e6, 'M'] : [1e9, 'B'];
  return `${(value / size).toFixed(value / size < 100 ? 1 : 0)}${unit}`;
}

export function rate(value) {
  if (missing(value)) return DASH;
  return value < 10 ? value.toFixed(value < 1 && value > 0 ? 2 : 1) : count(Math.round(value));
}

/** Seconds: 0.8 ms, 12 ms, 3.42 s, 2 m 05 s, 3 h 10 m. */
export function seconds(value) {
  if (missing(value)) return DASH;
  if (value < 0.9995) return `${value < 0.00995 ? (value * 1000).toFixed(1) : Math.round(value * 1000)} ms`;
  if (value < 99.95) return `${value.toFixed(value < 9.995 ? 2 : 1)} s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 100) return `${minutes} m ${String(Math.floor(value % 60)).padStart(2, '0')} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${String(minutes % 60).padStart(2, '0')} m` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** US dollars: as many digits as say something. */
export function money(value) {
  if (missing(value)) return 'unknown';
  const amount = Number(value);
  if (amount === 0) return '$0';
  const digits = amount >= 100 ? 2 : amount >= 0.01 ? 4 : Math.min(10, 2 - Math.floor(Math.log10(Math.abs(amount))));
  const text = amount.toFixed(digits);
  return `$${amount >= 1000 ? Number(text).toLocaleString('en-US', { minimumFractionDigits: 2 }) : text}`;
}

export function share(part, whole) {
  if (!whole) return DASH;
  const percent = (100 * part) / whole;
  return `${percent.toFixed(percent < 10 && percent > 0 ? 1 : 0)}%`;
}

const DATE = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const SHORT = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

/** A time of day; with its date if that is not today. */
export function clock(at) {
  const date = new Date(at * 1000);
  return date.toDateString() === new Date().toDateString() ? CLOCK.format(date) : `${DATE.format(date)} ${SHORT.format(date)}`;
}

export const minute = (at) => SHORT.format(new Date(at * 1000));
export const moment = (at) => new Date(at * 1000).toISOString().replace('T', ' ').replace('Z', ' UTC');

/** How an id can be told from others at a glance. */
export const tail = (id) => `…${id.slice(-8)}`;

export const STATUS = {
  completed: 'good', incomplete: 'warn', failed: 'bad', cancelled: 'idle', queued: 'idle', in_progress: 'run',
};
