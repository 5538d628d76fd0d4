// Conversations of an account, for those who may read them.

import { h } from './dom.js';
import * as f from './format.js';
import { ask } from './service.js';
import { transcript } from './transcript.js';

const PAGE = 100;

export function conversations(main, place, fail, session) {
  const stop = new AbortController();
  const account = place.query.account ?? session.account;
  main.append(h('h1', { class: 'hidden' }, 'Conversations'));
  if (place.id) {
    const words = h('div', {});
    main.append(h('a', { class: 'back', href: `#/conversations?account=${encodeURIComponent(account)}` }, '← Conversations'),
      h('div', { class: 'title' }, h('h2', {}, h('code', {}, place.id))), h('section', { class: 'panel' }, words));
    transcript(words, `conversations/${encodeURIComponent(place.id)}`, { account }, stop.signal);
    return () => stop.abort();
  }
  const list = h('ol', { class: 'links' });
  const foot = h('p', { class: 'none', role: 'status' }, 'Loading…');
  const more = h('button', { type: 'button', class: 'button', hidden: true, onclick: () => load() }, 'More');
  main.append(picker(account, session), list, foot, more);
  let after = '';
  async function load() {
    try {
      const page = await ask('conversations', { account, after, limit: PAGE }, stop.signal);
      list.append(...page.data.map((one) => h('li', {}, h('a', { href: `#/conversations/${one.id}?account=${encodeURIComponent(account)}` },
        h('code', {}, f.tail(one.id)), h('span', {}, Object.entries(one.metadata).map(([name, value]) => `${name}: ${value}`).join(', ')), h('time', {}, f.clock(one.created_at))))));
      after = page.last_id ?? after;
      more.hidden = !page.has_more;
      foot.textContent = list.children.length ? '' : 'There are no conversations in this account.';
    } catch (error) {
      if (stop.signal.aborted) return;
      if (error.status === 401) fail(error);
      else foot.textContent = error.message;
    }
  }
  load();
  return () => stop.abort();
}

/** Which account; of those who may read one only, there is nothing to pick. */
function picker(account, session) {
  if (session.readable.length === 1) return null;
  const go = (event) => {
    event.preventDefault();
    location.hash = `#/conversations?account=${encodeURIComponent(new FormData(event.target).get('account').trim())}`;
  };
  return h('form', { class: 'toolbar', onsubmit: go }, h('label', {}, 'Account ', h('input', { name: 'account', type: 'text', value: account, autocomplete: 'off', spellcheck: 'false' })), h('button', { type: 'submit', class: 'button' }, 'Show'));
}
