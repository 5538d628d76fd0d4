// How it goes at the moment.

import { bars, dot, h, panel, segments, table } from './dom.js';
import { chart, spark } from './charts.js';
import * as f from './format.js';
import { ask, now, poll } from './service.js';

const WINDOWS = [[300, '5 min'], [900, '15 min'], [3600, '1 hour']];
const SHARES = ['p50', 'p95', 'p99'];
let window_ = 900;
let clock = 'first';

export function overview(main, _place, fail) {
  let told = null, spent = null, hovered = false;
  const head = h('div', { class: 'head' });
  const tiles = h('div', { class: 'tiles' });
  const charts = h('div', { class: 'pair' });
  const fleet = h('div', { class: 'stack' });
  const money = h('div', { class: 'pair' });
  main.append(h('h1', { class: 'hidden' }, 'Overview'), head, tiles, charts, fleet, money);
  charts.addEventListener('pointerenter', () => { hovered = true; });
  charts.addEventListener('pointerleave', () => { hovered = false; if (told) curves(); });

  const choose = (value) => {
    window_ = value;
    heading();
    live.again();
  };
  function heading() {
    const since = told?.since && told.since > now() - window_ ? `counted since ${f.clock(told.since)}` : null;
    const states = Object.entries(told?.states ?? {}).map(([name, is]) => h('span', { class: 'state' }, dot(is === 'up' ? 'good' : is === 'down' ? 'bad' : 'idle'), `${name} ${is}`));
    head.replaceChildren(h('div', { class: 'states' }, states),
      h('div', { class: 'beside' }, since && h('span', { class: 'note' }, since), segments('Time', WINDOWS, window_, choose)));
  }
  function numbers() {
    const { points, minute, total } = told;
    const all = minute.requests + minute.refused;
    const [first, whole] = [minute.first ?? total.first, minute.seconds ?? total.seconds];
    const flying = told.processes.filter((one) => one.service === 'gateway').reduce((sum, one) => sum + one.in_flight, 0);
    const today = spent && spent.models.data.reduce((sum, one) => sum + Number(one.spend ?? 0), 0);
    const unpriced = spent && spent.models.data.reduce((sum, one) => sum + one.unpriced_calls, 0);
    tiles.replaceChildren(
      tile('Requests', f.rate(minute.requests / 60), '/s', `${f.count(total.requests)} in ${named()}`, spark(points.map((one) => one.requests))),
      tile('Failed', f.share(minute.failed, minute.requests), '', `${f.count(total.failed)} failed, ${f.count(total.refused)} refused`, spark(points.map((one) => one.failed + one.refused), 'bad'), all && minute.failed / all > 0.05 ? 'bad' : ''),
      tile('First token', f.seconds(first?.[0]), '', `p95 ${f.seconds(first?.[1])}`, spark(points.map((one) => one.first?.[1] ?? null), 'two')),
      tile('Whole answer', f.seconds(whole?.[0]), '', `p95 ${f.seconds(whole?.[1])}`, spark(points.map((one) => one.seconds?.[1] ?? null), 'two')),
      tile('Tokens out', f.rate(minute.output_tokens / 60), '/s', `${f.rate(minute.input_tokens / 60)} /s in`, spark(points.map((one) => one.output_tokens))),
      tile('In flight', f.count(flying), '', capacity(), null),
      tile('Cost today', spent ? f.money(today) : '–', '', spent ? (unpriced ? `and ${f.count(unpriced)} calls without a price` : 'UTC') : '', spark(points.map((one) => Number(one.cost)), 'three')));
  }
  const named = () => WINDOWS.find(([value]) => value === window_)[1];
  function capacity() {
    const workers = told.processes.filter((one) => one.service === 'worker');
    const slots = workers.reduce((sum, one) => sum + one.slots, 0);
    return `${f.count(slots)} slots, ${workers.length} ${workers.length === 1 ? 'worker' : 'workers'}`;
  }
  function curves() {
    const { points, step } = told;
    const times = points.map((one) => one.at);
    const per = (value) => value / step;
    const requests = chart({
      label: `Requests per second in the last ${named()}`, times, step, stacked: true, show: f.rate,
      series: [
        { name: 'answered', kind: 'one', values: points.map((one) => per(one.requests - one.failed)) },
        { name: 'failed', kind: 'bad', values: points.map((one) => per(one.failed)) },
        { name: 'refused', kind: 'warn', values: points.map((one) => per(one.refused)) },
      ],
    });
    const latency = chart({
      label: `Latency in the last ${named()}`, times, step, show: f.seconds,
      series: SHARES.map((name, at) => ({ name, kind: ['one', 'two', 'three'][at], values: points.map((one) => one[clock]?.[at] ?? null) })),
    });
    const which = segments('Latency of', [['first', 'First token'], ['seconds', 'Whole answer']], clock, (value) => { clock = value; curves(); });
    charts.replaceChildren(panel('Requests', { note: 'per second' }, requests), panel('Latency', { beside: which }, latency));
  }
  function processes() {
    const { deployments, queues, processes: living, total } = told;
    const errors = Object.entries(total.errors).map(([name, value]) => ({ name, value, text: f.count(value), kind: 'bad', href: `#/responses?error=${encodeURIComponent(name)}` }));
    const refusals = Object.entries(total.refusals).map(([name, value]) => ({ name, value, text: f.count(value), kind: 'warn' }));
    fleet.replaceChildren(
      panel('Deployments', { note: `${deployments.length}` }, table('Deployments', [
        ['Deployment'], ['State'], ['Model'], ['In flight', 'n'], ['Requests / min', 'n'], ['Tokens / min', 'n'], ['First token', 'n'], ['Tokens / s', 'n'],
      ], [...deployments].sort((a, b) => b.requests - a.requests || a.id.localeCompare(b.id)).map((one) => [
        h('a', { href: `#/responses?deployment=${encodeURIComponent(one.id)}` }, one.id), health(one), h('span', { class: 'dim' }, `${one.provider}/${one.model}`), f.count(one.in_flight), f.count(one.requests), f.count(one.tokens),
        f.seconds(one.first_event), one.per_token ? f.rate(1 / one.per_token) : '–',
      ]))),
      h('div', { class: 'pair' },
        h('div', { class: 'stack' },
          panel('Processes', { note: `${living.length}` }, table('Processes', [['Process'], ['Version'], ['Load', 'n'], ['Up', 'n'], ['About', 'wrap']],
            [...living].sort((a, b) => a.service.localeCompare(b.service) || a.address.localeCompare(b.address)).map(process))),
          panel('Failed', { note: `by code, ${named()}` }, bars(errors, 'Nothing has failed.')),
          panel('Refused', { note: `before it became a response, ${named()}` }, bars(refusals, 'Nothing was refused.'))),
        panel('Queues', {}, table('Queues', [['Queue'], ['Waiting', 'n'], ['Consumers', 'n']], queues.map(queue)))));
  }
  function spending() {
    const rows = (given, name, href) => given.slice(0, 8).map((one) => ({ name: name(one), value: Number(one.spend ?? 0), text: one.spend === null ? 'unknown' : f.money(one.spend), note: `${f.count(one.requests)} requests`, href: href(one) }));
    money.replaceChildren(
      panel('Cost by model', { note: 'today' }, bars(rows(spent.models.data, (one) => one.model, (one) => `#/responses?model=${encodeURIComponent(one.model)}`))),
      panel('Cost by key', { note: 'today' }, bars(rows(spent.keys.data, (one) => one.key_alias ?? (one.key || `${one.account} (no key)`), (one) => (one.key ? `#/responses?key=${encodeURIComponent(one.key)}` : `#/responses?account=${encodeURIComponent(one.account)}`)))));
  }
  heading();
  const live = poll((signal) => ask('overview', { window: window_ }, signal), (next) => {
    told = next;
    heading();
    numbers();
    if (!hovered) curves();
    processes();
  }, fail);
  const purse = poll((signal) => ask('spend', { days: 1 }, signal), (next) => {
    spent = next;
    spending();
    if (told) numbers();
  }, fail, 5000);
  const ticking = setInterval(() => told?.deployments.some((one) => one.cooling_until) && processes(), 1000);
  return () => {
    live.stop();
    purse.stop();
    clearInterval(ticking);
  };
}

function tile(title, value, unit, note, curve, kind = '') {
  return h('div', { class: `tile ${kind}` }, h('h2', {}, title), h('p', { class: 'value' }, value, unit && h('small', {}, unit)), h('p', { class: 'note' }, note), curve);
}

function health(one) {
  const left = one.cooling_until ? one.cooling_until - now() : 0;
  if (left > 0) return h('span', { class: 'state' }, dot('warn'), `left alone ${Math.ceil(left)} s`, h('code', {}, one.cooling_for));
  if (one.check && one.check !== 'up') return h('span', { class: 'state' }, dot('bad'), 'down', h('code', {}, one.check));
  return h('span', { class: 'state' }, dot('good'), one.check ? `checked ${f.clock(one.checked_at)}` : 'ready');
}

function process(one) {
  const load = one.service === 'worker' ? `${f.count(one.in_flight)} / ${f.count(one.slots)}` : one.service === 'ledger' ? `${f.count(one.in_flight)} to write` : f.count(one.in_flight);
  const about = one.service === 'worker'
    ? (one.takes.length ? one.takes.join(', ') : h('span', { class: 'badge warn' }, 'draining'))
    : one.lag !== null ? `lag ${f.seconds(one.lag)}` : '';
  return [h('span', { class: 'state', title: one.address }, dot('good'), one.service, h('code', {}, f.tail(one.address))), one.version, load, one.started_at ? f.seconds(now() - one.started_at) : '–', h('span', { class: 'dim' }, about)];
}

function queue(one) {
  const dead = one.name.startsWith('dead.');
  const ill = dead ? one.ready > 0 : one.consumers === 0;
  return [h('span', { class: 'state' }, dot(one.ready === null ? 'idle' : ill ? 'bad' : 'good'), one.name), f.count(one.ready), f.count(one.consumers)];
}
