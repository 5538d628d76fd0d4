// Elements, made without markup: whatever a text holds, it stays text.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'style') Object.assign(element.style, value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);

export const s = (tag, properties, ...children) => fill(document.createElementNS(SVG, tag), properties, children);

/** Put these into an element, and nothing else. */
export function put(element, ...children) {
  element.replaceChildren();
  return fill(element, null, children);
}

export const by = (id) => document.getElementById(id);

/** A panel with a title, and what stands beside it. */
export function panel(title, properties, ...children) {
  const { note, beside, ...rest } = properties ?? {};
  return h('section', { ...rest, class: `panel ${rest.class ?? ''}` },
    h('header', {}, h('h2', {}, title), note && h('span', { class: 'note' }, note), beside && h('div', { class: 'beside' }, beside)),
    ...children);
}

/** A table: columns are [title, class]; a cell is a text, an element, or several. */
export function table(caption, columns, rows, none = 'Nothing yet.') {
  if (!rows.length) return h('p', { class: 'none' }, none);
  const scrolls = { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption };
  return h('div', scrolls, h('table', {},
    h('caption', { class: 'hidden' }, caption),
    h('thead', {}, h('tr', {}, columns.map(([title, kind]) => h('th', { scope: 'col', class: kind }, title)))),
    h('tbody', {}, rows.map((cells) => h('tr', {}, cells.map((cell, at) => h('td', { class: columns[at][1] }, cell)))))));
}

/** Some choices, of which one holds. */
export function segments(label, choices, chosen, choose) {
  return h('div', { class: 'segments', role: 'group', 'aria-label': label }, choices.map(([value, text]) => h('button', {
    type: 'button', 'aria-pressed': String(value === chosen), onclick: () => choose(value),
  }, text)));
}

/** A line with a bar behind it, as long as its share. */
export function bars(rows, none = 'Nothing yet.') {
  if (!rows.length) return h('p', { class: 'none' }, none);
  const most = Math.max(...rows.map((row) => row.value), Number.MIN_VALUE);
  return h('ul', { class: 'bars' }, rows.map((row) => h('li', { class: row.kind },
    h('i', { 'aria-hidden': 'true', style: { width: `${Math.max(0.5, (100 * row.value) / most)}%` } }),
    h('span', { class: 'name', title: row.title ?? row.name }, row.href ? h('a', { href: row.href }, row.name) : row.name),
    row.note && h('span', { class: 'note' }, row.note),
    h('b', {}, row.text))));
}

export const dot = (kind) => h('i', { class: `dot ${kind}`, 'aria-hidden': 'true' });

export function busy(element, on) {
  element.setAttribute('aria-busy', String(on));
}
