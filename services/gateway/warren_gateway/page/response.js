// One response: how it came about, what it cost, and, for those who may, what was said.

import { dot, h, panel, table } from './dom.js';
import * as f from './format.js';
import { ask } from './service.js';
import { transcript } from './transcript.js';

export function response(main, place, fail, session) {
  const stop = new AbortController();
  const id = place.id;
  const back = h('a', { class: 'back', href: '#/responses', onclick: (event) => { if (history.length > 1) { event.preventDefault(); history.back(); } } }, '← Responses');
  main.append(back);
  ask(`responses/${encodeURIComponent(id)}`, {}, stop.signal)
    .then((told) => main.replaceChildren(back, ...view(told, session, stop.signal)))
    .catch((error) => {
      if (stop.signal.aborted) return;
      if (error.status === 401) fail(error);
      else main.append(h('p', { class: 'none', role: 'alert' }, error.message));
    });
  return () => stop.abort();
}

function view(told, session, signal) {
  const link = session.trace_url && told.trace_id && h('a', { class: 'button', href: session.trace_url.replaceAll('{trace_id}', told.trace_id), rel: 'noreferrer', target: '_blank' }, 'Trace ↗');
  return [
    h('div', { class: 'title' }, h('h1', {}, h('code', {}, told.response_id)), copy(told.response_id),
      h('span', { class: `badge ${f.STATUS[told.status] ?? 'idle'}` }, dot(f.STATUS[told.status] ?? 'idle'), told.status ?? 'unknown'), told.error && h('code', { class: 'bad' }, told.error), link),
    facts(told),
    panel('Timeline', { note: `${told.calls.length} ${told.calls.length === 1 ? 'call' : 'calls'}` }, waterfall(told)),
    panel('Cost', { note: told.spend === null ? 'not known in full' : f.money(told.spend) }, cost(told)),
    said(told, signal),
  ];
}

function facts(told) {
  const filter = (name, value, text = value) => value && h('a', { href: `#/responses?${new URLSearchParams({ [name]: value })}` }, text);
  const rows = [
    ['Model', filter('model', told.model)],
    ['Answered by', told.deployment && [filter('deployment', told.deployment), told.served_model && h('span', { class: 'dim' }, ` ${told.provider}/${told.served_model}`)]],
    ['Account', filter('account', told.account)],
    ['Key', told.key ? filter('key', told.key, told.key_alias ?? told.key) : 'none'],
    ['End user', filter('user', told.user)],
    ['Tags', told.tags.join(', ')],
    ['Began', f.moment(told.created_at)],
    ['First token', told.first_event_seconds === null ? null : f.seconds(begun(told))],
    ['Took', f.seconds(told.seconds)],
    ['Tokens', `${f.count(told.input_tokens)} in${told.cached_tokens ? ` (${f.count(told.cached_tokens)} cached)` : ''}, ${f.count(told.output_tokens)} out${told.reasoning_tokens ? ` (${f.count(told.reasoning_tokens)} thought)` : ''}${told.estimated ? ', estimated' : ''}`],
    ['Request', told.request_id && h('code', {}, told.request_id)],
    ['Goes on from', told.previous_response_id && h('a', { href: `#/responses/${told.previous_response_id}` }, h('code', {}, f.tail(told.previous_response_id)))],
    ['Conversation', told.conversation && (told.readable ? h('a', { href: `#/conversations/${told.conversation}?account=${encodeURIComponent(told.account)}` }, h('code', {}, f.tail(told.conversation))) : h('code', {}, f.tail(told.conversation)))],
    ['Ran', told.background ? 'in the background' : null],
  ];
  return h('dl', { class: 'facts' }, rows.filter(([, value]) => value).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}

/** From the request to the first event of the answer that counts. */
function begun(told) {
  const call = told.calls.filter((one) => one.first_event_seconds !== null).at(-1);
  return call ? call.started_at + call.first_event_seconds - told.created_at : null;
}

function waterfall(told) {
  const from = told.created_at;
  const until = Math.max(told.ended_at ?? from, ...told.calls.map((one) => one.started_at + one.seconds), from + 0.001);
  const long = until - from;
  const at = (seconds) => `${Math.max(0, Math.min(100, (100 * seconds) / long))}%`;
  const bar = (kind, begin, end) => h('i', { class: kind, style: { left: at(begin), width: `max(2px, ${at(end - begin)})` } });
  const row = (name, about, kind, time, ...shapes) => h('li', { class: kind }, h('div', { class: 'what' }, name, h('span', { class: 'dim' }, about)), h('div', { class: 'lane', 'aria-hidden': 'true' }, shapes), h('div', { class: 'time' }, time));
  const first = told.calls.length ? Math.max(0, told.calls[0].started_at - from) : long;
  const calls = told.calls.map((one) => {
    const begin = one.started_at - from;
    const end = begin + one.seconds;
    const ill = one.error !== null;
    const heard = one.first_event_seconds === null ? end : begin + one.first_event_seconds;
    const state = [one.status ?? 'no answer', one.error].filter(Boolean).join(' · ');
    const took = one.first_event_seconds === null ? f.seconds(one.seconds) : `${f.seconds(one.seconds)}, first ${f.seconds(one.first_event_seconds)}`;
    return row([dot(ill ? 'bad' : 'good'), h('b', {}, one.deployment)], `${state} · ${one.usage ? f.money(one.spend) : 'free'}`, ill ? 'bad' : '', took,
      bar('wait', begin, heard), heard < end && bar('say', heard, end));
  });
  const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => h('span', { style: { left: `${100 * part}%` } }, f.seconds(part * long)));
  return h('div', { class: 'waterfall' },
    h('ol', {}, row([dot('idle'), h('b', {}, 'Gateway, queue')], told.calls.length ? 'until the first call' : 'nobody was called', 'queue', f.seconds(first), bar('queue', 0, first)), calls),
    h('div', { class: 'axis', 'aria-hidden': 'true' }, h('div', {}, marks)),
    h('p', { class: 'legend' }, h('span', {}, h('i', { class: 'queue' }), 'waiting'), h('span', {}, h('i', { class: 'wait' }), 'until the first event'), h('span', {}, h('i', { class: 'say' }), 'answering')));
}

function cost(told) {
  const rows = told.calls.filter((one) => one.usage).flatMap((one) => {
    const lines = one.cost_lines.map((line, at) => [at ? '' : one.deployment, line.what, f.count(Number(line.quantity)), `$${line.rate}`, f.money(Number(line.quantity) * Number(line.rate))]);
    const unknown = one.unpriced.map((what) => [lines.length ? '' : one.deployment, what, '', 'no price', 'unknown']);
    const whole = one.cost_lines.length + one.unpriced.length ? [] : [[one.deployment, 'as stated', '', '', f.money(one.spend)]];
    return [...lines, ...unknown, ...whole];
  });
  const source = [...new Set(told.calls.map((one) => [one.price_source, one.price_date].filter(Boolean).join(', ')).filter(Boolean))];
  return [table('Cost lines', [['Deployment'], ['What'], ['Quantity', 'n'], ['Rate', 'n'], ['Cost', 'n']], rows, 'Nothing was used.'),
    source.length > 0 && h('p', { class: 'note' }, `Prices: ${source.join('; ')}`)];
}

function said(told, signal) {
  if (!told.readable) return panel('What was said', {}, h('p', { class: 'none' }, 'Not shown for this account.'));
  if (!told.stored) return panel('What was said', {}, h('p', { class: 'none' }, 'Not stored, or deleted.'));
  const place = h('div', {});
  const button = h('button', { type: 'button', class: 'button', onclick: () => { button.remove(); transcript(place, `responses/${told.response_id}/transcript`, {}, signal); } }, 'Show');
  return panel('What was said', { note: 'up to this response' }, button, place);
}

function copy(text) {
  const button = h('button', { type: 'button', class: 'ghost', 'aria-label': 'Copy the id', onclick: async () => {
    await navigator.clipboard?.writeText(text).catch(() => null);
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1200);
  } }, 'Copy');
  return button;
}
