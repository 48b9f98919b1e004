// Curves over time, drawn as steps: what holds, holds until something else does.

import { h } from './dom.js';
import { span, time } from './words.js';

const LEFT = 34;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;

/** The pattern of the old side: it differs from the new one without its colour, too. */
const hatch = (id) =>
  h('defs', null,
    h('pattern', { id, width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
      h('rect', { width: 6, height: 6, class: 'old-ground' }),
      h('line', { x1: 0, y1: 0, x2: 0, y2: 6, class: 'old-line' })));

/** The outline of a step curve between two others, as a path. */
function area(points, x, y, lower, upper, end) {
  if (points.length === 0) return '';
  const top = [];
  const bottom = [];
  points.forEach((point, i) => {
    const [from, to] = [x(point.atMillis), x(points[i + 1]?.atMillis ?? end)];
    top.push([from, y(upper(point))], [to, y(upper(point))]);
    bottom.unshift([to, y(lower(point))], [from, y(lower(point))]);
  });
  return `M${[...top, ...bottom].map(([a, b]) => `${a.toFixed(1)} ${b.toFixed(1)}`).join('L')}Z`;
}

/** A step line through the points that have a value. Where nobody looked for long, it ends and begins anew. */
function line(points, x, y, value, to) {
  const known = points.filter((point) => value(point) !== null);
  const gaps = known.slice(1).map((point, i) => point.atMillis - known[i].atMillis).sort((a, b) => a - b);
  const long = Math.max(60_000, 3 * (gaps[Math.floor(gaps.length / 2)] ?? 0));
  const parts = [];
  known.forEach((point, i) => {
    const next = known[i + 1]?.atMillis ?? to;
    const holds = Math.min(next, point.atMillis + long);
    const [left, right, at] = [x(point.atMillis), x(holds), y(value(point))];
    const follows = i > 0 && point.atMillis - known[i - 1].atMillis <= long;
    parts.push(`${follows ? 'L' : 'M'}${left.toFixed(1)} ${at.toFixed(1)}L${right.toFixed(1)} ${at.toFixed(1)}`);
  });
  return parts.join('');
}

/** A few round moments between two. */
function moments(from, to, count) {
  const steps = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400].map((it) => it * 1000);
  const step = steps.find((it) => (to - from) / it <= count) ?? steps.at(-1);
  const found = [];
  // The last one needs room for its words.
  for (let at = step; at < (to - from) * 0.95; at += step) found.push(at);
  return found;
}

function frame({ width, height, from, to, most, unit, label, marks }, ...drawn) {
  const x = (at) => LEFT + ((Math.min(Math.max(at, from), to) - from) / Math.max(1, to - from)) * (width - LEFT - RIGHT);
  const y = (value) => height - BOTTOM - (value / Math.max(1, most)) * (height - TOP - BOTTOM);
  const middle = most > 1 ? [most / 2] : [];
  const levels = [0, ...middle.filter(Number.isInteger), most];
  return h('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label },
    levels.map((level) => [
      h('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(level), y2: y(level) }),
      h('text', { class: 'tick', x: LEFT - 6, y: y(level) + 3.5, 'text-anchor': 'end' }, `${level}${unit}`),
    ]),
    drawn.map((draw) => draw(x, y)),
    moments(from, to, Math.max(2, Math.floor(width / 110))).map((after) =>
      h('text', { class: 'tick', x: x(from + after), y: height - 6, 'text-anchor': 'middle' }, `+${span(after)}`)),
    (marks ?? []).map(({ at, sign, says }) => [
      h('line', { class: 'mark', x1: x(at), x2: x(at), y1: TOP, y2: height - BOTTOM }),
      h('text', { class: 'mark-sign', x: Math.min(x(at) + 4, width - RIGHT - 10), y: TOP + 10 }, sign, h('title', null, says)),
    ]));
}

/** Who gets how much of the traffic. */
export function traffic(points, view) {
  const known = points.filter((point) => point.newPercent !== null);
  if (known.length === 0) return null;
  const last = known.at(-1);
  return frame(
    { ...view, most: 100, unit: '', label: `Traffic over time: now ${last.newPercent} % to the new fleet, ${100 - last.newPercent} % to the old one` },
    () => hatch('hatch-traffic'),
    (x, y) => h('path', { class: 'old-area', fill: 'url(#hatch-traffic)', d: area(known, x, y, (it) => it.newPercent, () => 100, view.to) }),
    (x, y) => h('path', { class: 'new-area', d: area(known, x, y, () => 0, (it) => it.newPercent, view.to) }));
}

/** How many members are wanted, and how many are healthy. */
export function capacity(points, view) {
  if (points.length === 0) return null;
  const most = Math.max(1, ...points.map((it) => it.old.desired + it.new.desired), ...points.map((it) => (it.old.healthy ?? 0) + (it.new.healthy ?? 0)));
  const even = most % 2 === 0 ? most : most + 1;
  const last = points.at(-1);
  const healthy = (it) => (it.old.healthy === null || it.new.healthy === null ? null : it.old.healthy + it.new.healthy);
  return frame(
    { ...view, most: even, unit: '', label: `Capacity over time: now ${last.old.desired} old and ${last.new.desired} new members wanted` },
    () => hatch('hatch-capacity'),
    (x, y) => h('path', { class: 'old-area', fill: 'url(#hatch-capacity)', d: area(points, x, y, () => 0, (it) => it.old.desired, view.to) }),
    (x, y) => h('path', { class: 'new-area', d: area(points, x, y, (it) => it.old.desired, (it) => it.old.desired + it.new.desired, view.to) }),
    (x, y) => h('path', { class: 'healthy-line', d: line(points, x, y, healthy, view.to) }));
}

const VERDICTS = { good: ['✓', 'good'], soFar: ['·', 'not bad so far'], unknown: ['?', 'nobody knows'], bad: ['✗', 'bad'] };

/** What a check said over time: one cell for each answer, with a sign of its own. */
export function answers(check) {
  const shown = check.answers.slice(-40);
  const last = shown.at(-1);
  const words = last ? VERDICTS[last.verdict][1] : 'not asked yet';
  return h('div', { class: 'strip', role: 'img', 'aria-label': `${check.name}: ${words}, after ${check.answers.length} answers` },
    shown.map((answer) =>
      h('span', { class: `cell ${answer.verdict}`, title: `${time(answer.atMillis)} ${VERDICTS[answer.verdict][1]}` }, VERDICTS[answer.verdict][0])));
}

export const verdict = (check) => (check.answers.length > 0 ? VERDICTS[check.answers.at(-1).verdict] : ['·', 'not asked yet']);
