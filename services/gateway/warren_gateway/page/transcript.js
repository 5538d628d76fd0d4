// What was said, to be read.

import { h, put } from './dom.js';
import * as f from './format.js';
import { ask } from './service.js';

const NAMES = { user: 'User', assistant: 'Model', system: 'System', developer: 'Developer', tool: 'Tool' };

export async function transcript(place, path, query, signal) {
  place.replaceChildren(h('p', { class: 'none', role: 'status' }, 'Loading…'));
  try {
    const told = await ask(path, query, signal);
    put(place,
      told.earlier > 0 && h('p', { class: 'note' }, `${f.count(told.earlier)} earlier entries are left out.`),
      told.hole && h('p', { class: 'note' }, `What was said before and with ${told.hole} is gone.`),
      told.data.length ? h('ol', { class: 'transcript' }, told.data.map(entry)) : h('p', { class: 'none' }, 'Nothing.'));
  } catch (error) {
    if (!signal.aborted) place.replaceChildren(h('p', { class: 'none', role: 'alert' }, error.message));
  }
}

function entry(one) {
  const text = [h('div', { class: 'text' }, one.text), one.cut > 0 && h('p', { class: 'note' }, `and ${f.count(one.cut)} more characters`)];
  const title = { reasoning: 'thought', call: `calls ${one.name}`, result: 'answers', other: one.name }[one.kind];
  return h('li', { class: `${one.role} ${one.kind}` }, h('div', { class: 'speaker' }, NAMES[one.role] ?? one.role, title && h('span', { class: 'dim' }, ` ${title}`)),
    one.kind === 'text' ? text : h('details', { open: one.kind !== 'reasoning' && one.text.length < 600 }, h('summary', {}, summary(one)), text));
}

const summary = (one) => `${one.text.slice(0, 90).replaceAll(/\s+/g, ' ')}${one.text.length > 90 ? '…' : ''}`;
