// What was asked lately: found, followed, walked through by keys.

import { by, dot, h } from './dom.js';
import * as f from './format.js';
import { ask, poll } from './service.js';

const PAGE = 100;
const COLUMNS = [['Time'], ['Status'], ['Model'], ['Account'], ['Tokens', 'n'], ['First', 'n'], ['Took', 'n'], ['Cost', 'n'], ['Response']];
const FIELDS = ['account', 'key', 'user', 'error'];
let last = { query: '', id: null };

export function responses(main, place, fail, session) {
  const query = { ...place.query };
  const rows = new Map();
  let older = null, complete = false, loading = false, first = true, current = null;
  const body = h('tbody', {});
  const foot = h('p', { class: 'none', role: 'status' }, 'Loading…');
  const grid = h('table', { class: 'list', 'aria-label': 'Responses', id: 'list' },
    h('thead', {}, h('tr', {}, COLUMNS.map(([title, kind]) => h('th', { scope: 'col', class: kind }, title)))), body);
  const sentinel = h('div', { class: 'sentinel' });
  main.append(h('h1', { class: 'hidden' }, 'Responses'), toolbar(query, session, go), grid, foot, sentinel);

  function go(changes) {
    const next = Object.entries({ ...query, ...changes }).filter(([, value]) => value);
    location.hash = `#/responses${next.length ? `?${new URLSearchParams(next)}` : ''}`;
  }
  function add(lines, top) {
    const made = [];
    for (const line of lines) {
      const known = rows.get(line.response_id);
      if (known) continue;
      const row = rendered(line);
      rows.set(line.response_id, row);
      made.push(row);
      if (!top || first) continue;
      row.classList.add('new');
      insert(row);
    }
    if (!top || first) body.append(...made);
  }
  function insert(row) { // the latest to begin comes first, whichever ends first
    const later = [...body.rows].find((other) => Number(other.dataset.at) <= Number(row.dataset.at));
    if (later) later.before(row);
    else body.append(row);
  }
  function show(page) {
    const fits = first || !page.has_more || page.data.some((line) => rows.has(line.response_id));
    if (!fits) { // more came at once than a page holds: begin anew instead of showing a gap
      rows.clear();
      body.replaceChildren();
      older = null;
      complete = false;
    }
    add(page.data, true);
    if (older === null) {
      older = page.last_id;
      complete = !page.has_more;
    }
    if (first) {
      first = false;
      if (last.query === JSON.stringify(query) && rows.has(last.id)) select(rows.get(last.id), true);
    }
    said();
  }
  function said() {
    const many = rows.size, told = many.toLocaleString('en-US');
    foot.textContent = many === 0 ? 'No responses fit.' : complete ? `${told} ${many === 1 ? 'response' : 'responses'}` : `${told} shown, scroll for more`;
  }
  async function more() {
    if (loading || complete || older === null) return;
    loading = true;
    try {
      const page = await ask('responses', { ...query, after: older, limit: PAGE }, stopped.signal);
      add(page.data, false);
      older = page.last_id ?? older;
      complete = !page.has_more;
      said();
    } catch (error) {
      if (!stopped.signal.aborted) foot.textContent = error.message;
    } finally {
      loading = false;
    }
    if (!stopped.signal.aborted && sentinel.getBoundingClientRect().top < innerHeight + 400) more();
  }
  function select(row, focus) {
    if (!row) return;
    current?.classList.remove('selected');
    current = row;
    row.classList.add('selected');
    last = { query: JSON.stringify(query), id: row.dataset.id };
    if (focus) row.querySelector('a').focus({ preventScroll: true });
    row.scrollIntoView({ block: 'nearest' });
  }
  body.addEventListener('focusin', (event) => {
    const row = event.target.closest('tr');
    if (row !== current) select(row, false);
  });
  body.addEventListener('click', (event) => {
    const row = event.target.closest('tr');
    if (row && !event.target.closest('a') && getSelection().isCollapsed) row.querySelector('a').click();
  });
  const stopped = new AbortController();
  const watching = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && more(), { rootMargin: '600px' });
  watching.observe(sentinel);
  const live = poll((signal) => ask('responses', { ...query, limit: PAGE }, signal), show, (error) => {
    foot.textContent = error.message;
    if (error.status === 401) fail(error);
  });
  const leave = () => {
    live.stop();
    stopped.abort();
    watching.disconnect();
  };
  leave.move = (step) => {
    const all = [...body.rows];
    const at = current?.isConnected ? all.indexOf(current) : step > 0 ? -1 : 0;
    select(all[Math.max(0, Math.min(all.length - 1, at + step))], true);
  };
  return leave;
}

function rendered(line) {
  const row = h('tr', { 'data-id': line.response_id, 'data-at': line.created_at },
    h('td', { class: 'time' }, h('time', { datetime: new Date(line.created_at * 1000).toISOString() }, f.clock(line.created_at))),
    h('td', { class: 'status' }, h('span', { class: 'state' }, dot(f.STATUS[line.status] ?? 'idle'), line.error ? h('code', {}, line.error) : line.status ?? 'unknown')),
    h('td', { class: 'model' }, h('b', {}, line.model), line.deployment && line.deployment !== line.model && h('span', { class: 'dim' }, line.deployment), line.calls > 1 && h('span', { class: 'badge', title: 'calls to providers' }, `${line.calls} calls`)),
    h('td', { class: 'who' }, line.account, (line.key_alias || line.user) && h('span', { class: 'dim' }, [line.key_alias, line.user].filter(Boolean).join(' · '))),
    h('td', { class: 'n tokens' }, `${f.count(line.input_tokens)} → ${f.count(line.output_tokens)}`),
    h('td', { class: 'n first' }, f.seconds(line.first_event_seconds)),
    h('td', { class: 'n took' }, f.seconds(line.seconds)),
    h('td', { class: 'n cost' }, line.spend === null ? h('span', { class: 'dim' }, 'unknown') : f.money(line.spend)),
    h('td', { class: 'id' }, h('a', { href: `#/responses/${line.response_id}`, 'aria-label': `Response ${line.response_id}` }, f.tail(line.response_id))));
  return row;
}

function toolbar(query, session, go) {
  const choice = (name, label, values) => {
    const known = query[name] && !values.includes(query[name]) ? [query[name], ...values] : values;
    return h('select', { 'aria-label': label, class: query[name] ? 'set' : '', onchange: (event) => go({ [name]: event.target.value }) },
      h('option', { value: '' }, label), known.map((value) => h('option', { value, selected: query[name] === value }, value)));
  };
  const text = (name) => h('input', {
    name, type: 'text', placeholder: name, 'aria-label': name, autocomplete: 'off', spellcheck: 'false', value: query[name] ?? '', class: query[name] ? 'set' : '',
    onchange: (event) => go({ [name]: event.target.value.trim() }),
  });
  const search = h('input', {
    id: 'search', type: 'search', placeholder: 'Response id, request id or end user', 'aria-label': 'Search', autocomplete: 'off', spellcheck: 'false', value: query.search ?? '',
    onchange: (event) => go({ search: event.target.value.trim() }),
    oninput: (event) => event.target.value === '' && query.search && go({ search: '' }),
  });
  const set = Object.values(query).some(Boolean);
  const fields = session.operator ? FIELDS : FIELDS.filter((name) => name !== 'account');
  return h('form', { class: 'toolbar', role: 'search', onsubmit: (event) => { event.preventDefault(); go({ search: by('search').value.trim() }); } },
    h('label', { class: 'search' }, search, h('kbd', { 'aria-hidden': 'true' }, '/')),
    h('div', { class: 'filters' },
      choice('status', 'any status', ['completed', 'failed', 'incomplete', 'cancelled']),
      choice('model', 'any model', session.models ?? []),
      session.operator && [choice('deployment', 'any deployment', session.deployments), choice('provider', 'any provider', session.providers)],
      fields.map(text)),
    set && h('button', { type: 'button', class: 'ghost', onclick: () => { location.hash = '#/responses'; } }, 'Clear'));
}
