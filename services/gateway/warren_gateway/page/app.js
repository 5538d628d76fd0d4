// The page: who looks at it, which view is shown, and what the keyboard does.

import { by, h } from './dom.js';
import { ask, key, onState } from './service.js';
import { conversations } from './conversations.js';
import { overview } from './overview.js';
import { response } from './response.js';
import { responses } from './responses.js';
import { spend } from './spend.js';

const VIEWS = [
  { name: 'overview', title: 'Overview', show: overview, operators: true },
  { name: 'responses', title: 'Responses', show: (...given) => (given[1].id ? response : responses)(...given) },
  { name: 'conversations', title: 'Conversations', show: conversations },
  { name: 'spend', title: 'Spend', show: spend, operators: true },
];
const THEME = 'warren.theme';
const main = by('main');
let session = null;
let leave = null;

const views = () => VIEWS.filter((view) => session.operator || !view.operators);

function placed() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [name, id] = path.split('/');
  return { name, id: id ? decodeURIComponent(id) : null, query: Object.fromEntries(new URLSearchParams(query ?? '')) };
}

function show() {
  if (!session) return;
  const place = placed();
  const view = views().find((one) => one.name === place.name) ?? views()[0];
  leave?.();
  main.replaceChildren();
  main.className = view.name;
  document.title = `${view.title} · Warren`;
  for (const tab of by('tabs').children) {
    if (tab.dataset.name === view.name) tab.setAttribute('aria-current', 'page');
    else tab.removeAttribute('aria-current');
  }
  leave = view.show(main, place, fail, session);
}

function fail(error) {
  if (error.status === 401 || error.status === 403) login(error.message);
}

async function enter() {
  if ('locked' in document.documentElement.dataset && !key.get()) return login('');
  try {
    session = await ask('session');
  } catch (error) {
    if (error.status === 401 || error.status === 403) return login(key.get() ? error.message : '');
    main.replaceChildren(h('p', { class: 'none', role: 'alert' }, 'The gateway does not answer. Trying again.'));
    return setTimeout(enter, 2000);
  }
  by('bar').hidden = false;
  by('leave').hidden = !key.get();
  by('tabs').replaceChildren(...views().map((view) => h('a', { href: `#/${view.name}`, 'data-name': view.name }, view.title)));
  show();
}

function login(message) {
  leave?.();
  leave = session = null;
  by('bar').hidden = true;
  const field = h('input', { id: 'key', type: 'password', autocomplete: 'current-password', required: true, 'aria-describedby': 'why' });
  const submit = (event) => {
    event.preventDefault();
    key.set(field.value.trim());
    enter();
  };
  main.className = 'login';
  main.replaceChildren(h('form', { onsubmit: submit }, h('img', { src: 'ops/page/icon.svg', alt: '', width: 40, height: 40 }), h('h1', {}, 'Warren'),
    h('label', { for: 'key' }, 'Master key, or a key of your account'), field, h('button', { type: 'submit', class: 'button primary' }, 'Open'),
    h('p', { id: 'why', role: 'alert', class: 'bad' }, message)));
  field.focus();
}

function theme(next) {
  if (next) localStorage.setItem(THEME, next);
  const chosen = localStorage.getItem(THEME);
  if (chosen) document.documentElement.dataset.theme = chosen;
}

function swap() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  theme(dark ? 'light' : 'dark');
}

const KEYS = {
  '/': () => {
    if (placed().name === 'responses' && !placed().id) {
      by('search')?.focus(); // at once: who types fast has typed the next letter by the next turn of the loop
      return;
    }
    addEventListener('hashchange', () => by('search')?.focus(), { once: true });
    location.hash = '#/responses';
  },
  j: () => leave?.move?.(1),
  k: () => leave?.move?.(-1),
  ArrowDown: () => leave?.move?.(1),
  ArrowUp: () => leave?.move?.(-1),
  t: swap,
  '?': () => by('keys').showModal(),
  Escape: () => {
    const place = placed();
    if (place.id) by('main').querySelector('.back')?.click();
  },
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !session || by('keys').open) return;
  const typing = event.target.closest('input, select, textarea');
  if (typing) {
    if (event.key === 'Escape') typing.blur();
    return;
  }
  const view = /^[1-9]$/.test(event.key) ? views()[event.key - 1] : null;
  if (view) location.hash = `#/${view.name}`;
  else if (KEYS[event.key] && !((event.key === 'ArrowDown' || event.key === 'ArrowUp') && !leave?.move)) KEYS[event.key]();
  else return;
  event.preventDefault();
});

addEventListener('hashchange', show);
by('theme').addEventListener('click', swap);
by('help').addEventListener('click', KEYS['?']);
by('leave').addEventListener('click', () => {
  key.clear();
  login('');
});
onState((state) => {
  by('live').className = `pulse ${state}`;
  by('live').lastElementChild.textContent = state === 'live' ? 'live' : 'reconnecting';
});
theme();
enter();
