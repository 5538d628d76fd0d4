// What was spent, and on what.

import { bars, h, panel, put, segments } from './dom.js';
import * as f from './format.js';
import { ask, poll } from './service.js';

const SPANS = [['1', 'Today'], ['7', '7 days'], ['30', '30 days']];
let days = '7';
const link = (query) => `#/responses?${new URLSearchParams(query)}`;
const PARTS = [
  ['models', 'By model', (row) => row.model, (row) => link({ model: row.model })],
  ['deployments', 'By deployment', (row) => row.deployment || 'none', (row) => row.deployment && link({ deployment: row.deployment })],
  ['keys', 'By key', (row) => row.key_alias ?? (row.key || `${row.account} (no key)`), (row) => (row.key ? link({ key: row.key }) : link({ account: row.account }))],
  ['users', 'By end user', (row) => row.user || `${row.account} (nobody named)`, (row) => row.user && link({ user: row.user })],
  ['tags', 'By tag', (row) => row.tag || 'none', () => null],
];

export function spend(main, _place, fail) {
  const head = h('div', { class: 'head' });
  const body = h('div', { class: 'stack' });
  main.append(h('h1', { class: 'hidden' }, 'Spend'), head, body);
  const choose = (value) => {
    days = value;
    heading();
    live.again();
  };
  const heading = () => head.replaceChildren(h('div', { class: 'states note' }, 'Days are those of UTC; sums are a second or two behind.'), segments('Days', SPANS, days, choose));
  heading();
  const live = poll((signal) => ask('spend', { days }, signal), (told) => {
    const sum = (name) => told.days.data.reduce((whole, row) => whole + Number(row[name] ?? 0), 0);
    const tiles = [['Cost', f.money(sum('spend'))], ['Requests', f.count(sum('requests'))], ['Failed', f.share(sum('failed_requests'), sum('requests'))], ['Tokens in', f.count(sum('input_tokens'))], ['Tokens out', f.count(sum('output_tokens'))], ['Calls without a price', f.count(sum('unpriced_calls'))]];
    put(body,
      h('div', { class: 'tiles' }, tiles.map(([title, value]) => h('div', { class: 'tile' }, h('h2', {}, title), h('p', { class: 'value' }, value)))),
      days !== '1' && panel('By day', {}, bars(told.days.data.map((row) => line(row, row.day, null)))),
      h('div', { class: 'pair' }, PARTS.map(([name, title, of, href]) => panel(title, { note: told[name].has_more ? 'the first 50' : null }, bars(told[name].data.map((row) => line(row, of(row), href(row))))))));
  }, fail, 5000);
  return live.stop;
}

function line(row, name, href) {
  const unpriced = row.unpriced_calls ? ` · ${f.count(row.unpriced_calls)} without a price` : '';
  return { name, href: href || undefined, value: Number(row.spend ?? 0), text: f.money(row.spend), note: `${f.count(row.requests)} requests · ${f.count(row.input_tokens + row.output_tokens)} tokens${unpriced}` };
}
