// What the gateway is asked, and how it is kept being asked.

const KEY = 'warren.key';

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  clear: () => sessionStorage.removeItem(KEY),
};

export class Refusal extends Error {
  constructor(status, error) {
    super(error?.message ?? `The gateway answers ${status}.`);
    this.status = status;
    this.code = error?.code;
  }
}

/** Seconds by which the gateway's clock is ahead of ours. */
let ahead = 0;
export const now = () => Date.now() / 1000 + ahead;

/** What is at this address under /ops/, as it stands. What has not changed comes out of the browser's cache. */
export async function ask(path, query = {}, signal = undefined) {
  const given = Object.entries(query).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  const url = `ops/${path}${given.length ? `?${new URLSearchParams(given)}` : ''}`;
  const headers = key.get() ? { authorization: `Bearer ${key.get()}` } : {};
  const answer = await fetch(url, { headers, signal, credentials: 'omit' });
  const date = Date.parse(answer.headers.get('date') ?? '');
  if (date && Math.abs(date / 1000 - Date.now() / 1000) > 5) ahead = date / 1000 - Date.now() / 1000;
  const body = await answer.json().catch(() => null);
  if (!answer.ok || body === null) throw new Refusal(answer.status, body?.error);
  state('live');
  return body;
}

const listeners = new Set();
let well = null;
export const onState = (listener) => listeners.add(listener);
export function state(next) {
  if (next !== well) listeners.forEach((listener) => listener((well = next)));
}

const EVERY = 2000;
const SLOWEST = 8000;

/** Ask, and ask again, until it is stopped: not while nobody looks, and less often while nobody answers. */
export function poll(question, show, fail, every = EVERY) {
  const stop = new AbortController();
  let timer, pause = every, running = false, last = '';
  async function round() {
    clearTimeout(timer);
    if (running || stop.signal.aborted) return;
    running = true;
    try {
      const told = await question(stop.signal);
      const text = JSON.stringify(told);
      pause = every;
      if (text !== last && !stop.signal.aborted) show(told);
      last = text;
    } catch (error) {
      if (stop.signal.aborted) return;
      if (error instanceof Refusal && error.status < 500) fail(error);
      else state('away');
      pause = Math.min(SLOWEST, pause * 1.5);
    } finally {
      running = false;
      if (!stop.signal.aborted && !document.hidden) timer = setTimeout(round, pause);
    }
  }
  const seen = () => !document.hidden && round();
  document.addEventListener('visibilitychange', seen);
  stop.signal.addEventListener('abort', () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', seen);
  });
  round();
  return { stop: () => stop.abort(), again: () => { last = ''; return round(); } };
}
