// Charts: small SVGs that say their numbers when they are pointed at.

import { h, s } from './dom.js';
import { minute } from './format.js';

const HEIGHT = 168;
const LEFT = 46;
const FOOT = 18;

/** Round numbers from nothing to at least this. */
function ticks(most) {
  if (!(most > 0)) return [0, 1];
  const step = 10 ** Math.floor(Math.log10(most / 3));
  const size = [1, 2, 5, 10].map((factor) => factor * step).find((one) => most / one <= 4);
  return Array.from({ length: Math.ceil(most / size - 1e-9) + 1 }, (_, at) => at * size);
}

/** A chart that is drawn for the room it has, whenever that changes. */
export function chart(given) {
  const place = h('div', { class: 'plot' });
  const figure = h('figure', { class: 'chart' }, place,
    h('figcaption', {}, given.series.map((one) => h('span', { class: one.kind }, h('i', {}), one.name))));
  let drawn = 0;
  new ResizeObserver(() => {
    const width = Math.round(place.clientWidth);
    if (width && width !== drawn) place.replaceChildren(...draw({ ...given, width: (drawn = width) }));
  }).observe(place);
  return figure;
}

/**
 * `series` are { name, kind, values }, a value for each of `times`, null where there is none. Stacked bars, or lines.
 */
function draw({ label, times, series, stacked = false, show, step, width }) {
  const tops = times.map((_, at) => {
    const here = series.map((one) => one.values[at] ?? 0);
    return stacked ? here.reduce((sum, one) => sum + one, 0) : Math.max(...here, 0);
  });
  const marks = ticks(Math.max(...tops, 0));
  const most = marks.at(-1);
  const wide = (width - LEFT) / times.length;
  const x = (at) => LEFT + wide * at;
  const y = (value) => 6 + (HEIGHT - FOOT - 6) * (1 - value / most);
  const grid = marks.map((mark) => [
    s('line', { class: 'grid', x1: LEFT, x2: width, y1: y(mark), y2: y(mark) }),
    s('text', { class: 'axis', x: LEFT - 8, y: y(mark) + 3.5, 'text-anchor': 'end' }, show(mark)),
  ]);
  const every = Math.ceil(times.length / Math.max(2, Math.min(6, width / 90)));
  const days = times.map((time, at) => (at % every === Math.floor(every / 2)
    ? s('text', { class: 'axis', x: x(at) + wide / 2, y: HEIGHT - 3, 'text-anchor': 'middle' }, minute(time)) : null));
  const shapes = stacked ? stack(series, times, x, y, wide) : lines(series, x, y, wide);
  const cursor = s('line', { class: 'cursor', y1: 6, y2: HEIGHT - FOOT, visibility: 'hidden' });
  const said = h('div', { class: 'said', hidden: true });
  const svg = s('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: 'img', 'aria-label': label }, grid, days, shapes, cursor);
  const point = (event) => {
    const box = svg.getBoundingClientRect();
    const at = Math.floor((event.clientX - box.left - LEFT) / wide);
    if (at < 0 || at >= times.length) return leave();
    cursor.setAttribute('x1', x(at) + wide / 2);
    cursor.setAttribute('x2', x(at) + wide / 2);
    cursor.setAttribute('visibility', 'visible');
    said.replaceChildren(h('time', {}, minute(times[at]), step < 60 ? `:${String(times[at] % 60).padStart(2, '0')}` : ''),
      ...series.map((one) => h('span', { class: one.kind }, h('i', {}), `${one.name} `, h('b', {}, one.values[at] === null ? '–' : show(one.values[at])))));
    said.hidden = false;
    const right = at > times.length / 2;
    said.style.left = right ? 'auto' : `${x(at) + wide + 8}px`;
    said.style.right = right ? `${width - x(at) + 8}px` : 'auto';
  };
  const leave = () => {
    said.hidden = true;
    cursor.setAttribute('visibility', 'hidden');
  };
  svg.addEventListener('pointermove', point);
  svg.addEventListener('pointerleave', leave);
  return [svg, said];
}

function stack(series, times, x, y, wide) {
  return times.map((_, at) => {
    let below = 0;
    return series.map((one) => {
      const value = one.values[at] ?? 0;
      const made = value > 0 && s('rect', {
        class: one.kind, x: x(at) + wide * 0.12, width: Math.max(0.5, wide * 0.76), y: y(below + value), height: Math.max(0.6, y(below) - y(below + value)),
      });
      below += value;
      return made;
    });
  });
}

function lines(series, x, y, wide) {
  return [...series].reverse().map((one) => {
    let path = '', open = false;
    one.values.forEach((value, at) => {
      if (value === null) open = false;
      else {
        const alone = !open && (one.values[at + 1] ?? null) === null;
        path += `${open ? 'L' : 'M'}${(x(at) + wide / 2).toFixed(1)} ${y(value).toFixed(1)}${alone ? 'h0.01' : ''}`;
        open = true;
      }
    });
    return s('path', { class: `line ${one.kind}`, d: path || 'M0 0' });
  });
}

/** A curve without axes. */
export function spark(values, kind = 'one') {
  const known = values.map((value) => value ?? 0);
  const most = Math.max(...known, Number.MIN_VALUE);
  const at = (index) => ((100 * index) / Math.max(1, known.length - 1)).toFixed(2);
  const points = known.map((value, index) => `${at(index)} ${(26 - (23 * value) / most).toFixed(2)}`);
  return s('svg', { class: `spark ${kind}`, viewBox: '0 0 100 28', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    s('path', { class: 'area', d: `M0 28L${points.join('L')}L100 28z` }),
    s('path', { class: 'line', d: `M${points.join('L')}`, 'vector-effect': 'non-scaling-stroke' }));
}
