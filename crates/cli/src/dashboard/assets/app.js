// The page: shows what comes by server-sent events, and asks for what its buttons say.
//
// It decides nothing. What can be done, and what will happen then, comes computed from the dashboard.

import { answers, capacity, traffic, verdict } from './charts.js';
import { h, render } from './dom.js';
import { MARKS, STAGE_WORDS, ago, callerName, date, short, silence, span, state, thousands, time, timeSeen } from './words.js';

const $ = (id) => document.getElementById(id);

/** After so long without a word from the dashboard, what is shown is old. */
const SILENCE = 12_000;
/** The same without anything new: the account's time goes on, so that every look brings something. */
const NOTHING_NEW = 40_000;
/** How many lines of the log, and how many members of a fleet, are shown at once. */
const LINES = 400;
const MEMBERS = 60;

const known = {
  hello: null, overview: null, detail: null, log: [], trouble: null, spokeAt: performance.now(), newsAt: performance.now(), lost: false,
  filter: 'all', search: '', asking: null, told: null, said: new Map(), allMembers: false, consoles: new Map(),
};

// ── What is shown: the overview, or one deployment ──────────────────────────

const route = () => {
  const found = /^#\/deployment\/(.+)$/.exec(location.hash);
  return found ? decodeURIComponent(found[1]) : '';
};
const linkTo = (id) => `#/deployment/${encodeURIComponent(id)}`;

let source = null;

function listen() {
  source?.close();
  source = null;
  if (document.hidden) return;
  known.newsAt = performance.now();
  source = new EventSource(`/events?deployment=${encodeURIComponent(route())}`);
  const on = (name, act) => source.addEventListener(name, (event) => {
    known.spokeAt = performance.now();
    known.lost = false;
    act(JSON.parse(event.data));
    draw();
  });
  on('hello', (hello) => { known.hello = hello; });
  on('overview', (overview) => { known.newsAt = performance.now(); known.overview = overview; announce(overview.deployments); });
  on('deployment', (detail) => { known.detail = detail; announceDetail(detail); });
  on('log', ({ from, lines }) => { known.log = [...known.log.slice(0, from), ...lines]; });
  on('trouble', ({ message }) => { known.trouble = message; });
  on('alive', () => {});
  source.onerror = () => { known.lost = true; draw(); };
}

addEventListener('hashchange', () => {
  known.detail = null;
  known.log = [];
  known.told = null;
  known.allMembers = false;
  known.consoles.clear();
  closeDialog();
  listen();
  draw();
  $('main').focus({ preventScroll: true });
  scrollTo(0, 0);
});
document.addEventListener('visibilitychange', listen);
setInterval(() => draw(), 1000);
let resized = 0;
addEventListener('resize', () => {
  cancelAnimationFrame(resized);
  resized = requestAnimationFrame(draw);
});

// ── What is said to those who do not see it ─────────────────────────────────

function say(text, urgent) {
  const place = $(urgent ? 'alert' : 'live');
  if (place.textContent !== text) place.textContent = text;
}

/** Tells which deployments have come to stand otherwise. */
function announce(deployments) {
  for (const it of deployments) {
    const { word } = state(it);
    const before = known.said.get(it.deploymentId);
    known.said.set(it.deploymentId, word);
    if (before !== undefined && before !== word) say(`${it.deploymentId}: ${word}`, Boolean(it.question));
  }
}

function announceDetail(detail) {
  if (detail.problem) return;
  const at = [...detail.rollback, ...detail.stages].find((it) => ['running', 'asking', 'failed'].includes(it.state));
  const words = at ? `Stage ${at.number}, ${at.name}: ${STAGE_WORDS[at.state]}` : '';
  const key = `stage of ${detail.deploymentId}`;
  if (known.said.has(key) && known.said.get(key) !== words && words) say(words, at.state === 'asking');
  known.said.set(key, words);
}

// ── Small parts ─────────────────────────────────────────────────────────────

const chip = ({ mark, word, tone }) => h('span', { class: `chip ${tone}` }, h('span', { 'aria-hidden': 'true' }, mark), h('span', null, word));
const code = (text) => h('code', null, text);
const asOf = () => known.detail?.asOfMillis ?? known.overview?.asOfMillis;

function copyable(command) {
  const copy = async (event) => {
    const button = event.currentTarget;
    await navigator.clipboard.writeText(command);
    button.textContent = 'copied';
    setTimeout(() => { button.textContent = 'copy'; }, 1500);
  };
  return h('span', { class: 'command' }, code(command), h('button', { class: 'plain', type: 'button', onclick: copy, 'aria-label': `Copy ${command}` }, 'copy'));
}

function section(id, title, ...children) {
  return h('section', { key: id, id, 'aria-labelledby': `${id}-title` }, h('h2', { id: `${id}-title` }, title), ...children);
}

// ── The frame ───────────────────────────────────────────────────────────────

function drawTop() {
  const acts = known.overview?.actsIn;
  const old = silent() || known.trouble || nothingNew();
  document.body.classList.toggle('stale', Boolean(old && known.overview));
  const at = asOf();
  render($('top'),
    h('a', { class: 'brand', href: '#/', 'aria-label': 'crossfade: all deployments' }, h('img', { src: '/icon.svg', alt: '', width: 26, height: 26 }), h('span', null, 'crossfade')),
    h('p', { class: 'where' }, acts ? [h('b', null, acts.account ?? 'an account that did not say which'), ' · ', acts.region, ' · ', callerName(acts.caller)] : 'Looking…'),
    h('p', { class: 'how' },
      known.hello && chip(known.hello.actions ? { mark: '●', word: 'buttons act', tone: 'ask' } : { mark: '○', word: 'read-only', tone: 'none' }),
      at && h('span', { class: 'asof' }, `as of ${time(at)}`)));
}

const silent = () => known.lost || performance.now() - known.spokeAt > SILENCE;
const nothingNew = () => !document.hidden && performance.now() - known.newsAt > NOTHING_NEW;

function notices() {
  const found = [];
  if (!silent() && !known.trouble && nothingNew()) found.push(h('p', { key: 'slow', class: 'notice ask' }, h('b', null, '… AWS has not answered for a while. '), 'What is shown is old; it is asked again.'));
  if (silent()) {
    found.push(h('p', { key: 'lost', class: 'notice bad' }, h('b', null, '✗ The dashboard does not answer. '), 'What is shown is old. Does ', code('crossfade dashboard'), ' still run? If it was started anew, open its new link.'));
  }
  if (known.trouble) found.push(h('p', { key: 'trouble', class: 'notice bad' }, h('b', null, '✗ Nothing newer can be read. '), known.trouble));
  for (const [i, it] of (known.overview?.frozen ?? []).entries()) found.push(frozen(it, i));
  if (known.told) found.push(h('p', { key: 'told', class: `notice ${known.told.ok ? 'good' : 'bad'}` }, h('span', { class: 'lines' }, `${known.told.ok ? '✓' : '✗'} ${known.told.message}`), ' ', h('button', { class: 'plain', type: 'button', onclick: () => { known.told = null; draw(); } }, 'dismiss')));
  return found;
}

function frozen(it, i) {
  const what = it.environment ?? 'every environment';
  const until = `${it.window ? `, ${it.window}` : ''}${it.untilMillis ? `, until ${date(it.untilMillis)}` : ''}`;
  const thaw = () => ask({
    title: `Let ${what} go on`, button: 'Let it go on', will: [`New deployments of ${what} can begin again.`], comments: false,
    command: it.environment ? `crossfade unfreeze ${it.environment}` : 'crossfade unfreeze --all', body: () => ({ act: 'unfreeze', environment: it.environment }),
  });
  return h('p', { key: `frozen-${i}`, class: 'notice ask' },
    h('b', null, `❄ ${what} is frozen `), `by ${it.by ?? 'somebody who did not say who'}${it.comment ? `: ${it.comment}` : ''}, since ${ago(known.overview.asOfMillis - it.sinceMillis)}${until}. What runs goes on. `,
    h('button', { type: 'button', class: 'small', onclick: thaw }, 'Unfreeze…'));
}

function draw() {
  drawTop();
  const id = route();
  document.title = id ? `${id} · crossfade` : titleOfAll();
  const content = id ? deployment(id) : overview();
  render($('main'), ...notices(), ...content);
  render($('foot'), h('p', null, 'The same as ', code('crossfade list'), ' and ', code('crossfade status'), '. ', known.hello && !known.hello.actions ? ['To act from here: ', code('crossfade dashboard --actions'), '.'] : ''));
  drawDialog();
}

function titleOfAll() {
  const need = needs();
  return need.length > 0 ? `(${need.length}) crossfade` : 'crossfade';
}

// ── All deployments ─────────────────────────────────────────────────────────

const isStuck = (it) => Boolean(it.problem || it.died || it.status === 'failedDirty');
const isOver = (it) => ['succeeded', 'failedClean', 'accepted'].includes(it.status);
const needs = () => (known.overview?.deployments ?? []).filter((it) => it.question || isStuck(it));

function overview() {
  if (!known.overview) return [h('h1', { key: 'h1', class: 'unseen' }, 'Deployments'), h('p', { key: 'quiet', class: 'quiet' }, 'Looking…')];
  const { deployments, serving, more } = known.overview;
  const need = needs();
  const runs = deployments.filter((it) => !isOver(it) && !need.includes(it));
  const over = deployments.filter((it) => isOver(it) && !need.includes(it));
  return [
    h('h1', { key: 'h1', class: 'unseen' }, 'Deployments'),
    section('needs', `Needs you${need.length > 0 ? ` (${need.length})` : ''}`, need.length === 0 ? h('p', { class: 'quiet' }, '✓ Nothing is asked, and nothing is stuck.') : h('ul', { class: 'cards' }, need.map(card))),
    section('runs', `Running${runs.length > 0 ? ` (${runs.length})` : ''}`, runs.length === 0 ? h('p', { class: 'quiet' }, 'No other deployment runs.') : h('ul', { class: 'cards' }, runs.map(card))),
    users(known.overview.users),
    section('serves', 'Serving', serves(serving, deployments), h('p', { class: 'acts' }, h('button', { type: 'button', class: 'small', onclick: freeze }, '❄ Stop the line…'))),
    section('over', 'Ended', over.length === 0 ? h('p', { class: 'quiet' }, 'None yet.') : ended(over), more && h('p', { class: 'quiet' }, 'There are more: ', code('crossfade list --limit 500'))),
  ].filter(Boolean);
}

/** Of a simulated account: what became of its users' requests, and what goes wrong in it. */
function users(told) {
  if (!told) return null;
  const figure = (number, word, tone) => h('p', { class: `figure ${tone}` }, h('b', null, thousands(number)), ` ${word}`);
  return section('users', 'The simulated users and their requests',
    h('div', { class: 'figures' },
      figure(told.served, 'served', 'good'),
      figure(told.lost, told.lost === 0 ? '✓ lost by a deployment' : '✗ lost by a deployment', told.lost === 0 ? 'good' : 'bad'),
      figure(told.errors, 'answered with an error', told.errors === 0 ? 'none' : 'ask')),
    told.goesWrong && h('p', { class: 'notice ask' }, h('b', null, '! It goes wrong: '), WRONGS.find((one) => one.fault === told.goesWrong)?.means ?? told.goesWrong),
    h('p', { class: 'acts' }, WRONGS.filter((one) => one.fault !== told.goesWrong && (one.fault !== 'none' || told.goesWrong)).map((one) =>
      h('button', { key: one.fault, type: 'button', class: 'small', onclick: () => goWrong(one.fault, one.label, one.means) }, `${one.label}…`))));
}

/** What can go wrong in the account of `crossfade local`. */
const WRONGS = [
  { fault: 'deny', label: 'Refuse changes of load balancers', means: 'From now on AWS refuses every change of a load balancer that a deployment asks for.' },
  { fault: 'throttle', label: 'Throttle', means: 'From now on AWS refuses every other call of a deployment to groups, instances and load balancers as one too many.' },
  { fault: 'none', label: 'Let nothing go wrong', means: 'From now on nothing more goes wrong. What has gone wrong stays.' },
];

function goWrong(fault, label, means) {
  ask({
    title: label, button: label, will: [means], comments: false, body: () => ({ act: 'fault', fault }),
    command: `aws ssm put-parameter --name /crossfade/local/fault --type String --overwrite --value '${fault}'`,
  });
}

function card(it) {
  const now = known.overview.asOfMillis;
  const how = state(it);
  return h('li', { key: it.deploymentId, class: `card ${how.tone}` },
    h('h3', null, h('a', { href: linkTo(it.deploymentId) }, it.deploymentId)),
    chip(how),
    h('p', { class: 'where' }, it.infrastructure),
    it.artifact && h('p', { class: 'what' }, it.artifact),
    it.stage && h('p', { class: 'at' }, `${it.stage.number} of ${it.stage.of}: ${it.stage.name}`),
    it.stage && h('progress', { max: it.stage.of, value: Math.max(0, it.stage.number - 1), 'aria-label': 'stages done' }),
    it.question && h('p', { class: 'asks' }, h('b', null, it.question.message || 'Go on?'), h('br'), `${span(it.question.deadlineMillis - now)} left, then ${silence(it.question)}`),
    it.failure && h('p', { class: 'why' }, h('b', null, it.failure.error), ': ', short(it.failure.cause)),
    (it.died || it.problem) && h('p', { class: 'why' }, it.died ?? it.problem),
    h('p', { class: 'since' }, `since ${ago(now - (it.endedMillis ?? it.startedMillis))}`));
}

function serves(serving, deployments) {
  if (serving.length === 0) return h('p', { class: 'quiet' }, 'Nothing was deployed yet: ', code('crossfade deploy FILE'));
  const now = known.overview.asOfMillis;
  const row = ({ infrastructure, revisions, problem }) => {
    // Where nothing has succeeded yet, no record says it: then what has members, unless somebody is just bringing it up.
    const comes = (it) => deployments.some((one) => one.deploymentId === it.deploymentId && !isOver(one));
    const live = revisions.find((it) => it.servesSinceMillis) ?? revisions.find((it) => it.size?.desired > 0 && !comes(it));
    const kept = revisions.filter((it) => it.kept && it !== live && !comes(it)).map((it) => it.revision);
    const last = deployments.filter((it) => it.infrastructure === infrastructure && it.status && isOver(it)).slice(0, 10).reverse();
    return h('tr', { key: infrastructure },
      h('th', { scope: 'row' }, infrastructure, problem && h('span', { class: 'why' }, ` ! ${problem}`)),
      h('td', { 'data-label': 'revision' }, live ? h('b', null, live.revision) : '–'),
      h('td', { 'data-label': 'image', class: 'what' }, live?.artifact ?? '–'),
      h('td', { 'data-label': 'members' }, live?.size ? live.size.desired : '–'),
      h('td', { 'data-label': 'since' }, live?.servesSinceMillis ? ago(now - live.servesSinceMillis) : '–'),
      h('td', { 'data-label': 'kept to go back to' }, kept.length > 0 ? kept.join(' ') : 'none'),
      h('td', { 'data-label': 'last ten' }, last.length === 0 ? '–' : h('span', { class: 'row-of-chips' }, last.map((it) => {
        const how = state(it);
        return h('a', { key: it.deploymentId, class: `dot ${how.tone}`, href: linkTo(it.deploymentId), title: `${it.deploymentId}: ${how.word}`, 'aria-label': `${it.deploymentId}: ${how.word}` }, how.mark);
      }))));
  };
  return h('table', { class: 'folds' },
    h('thead', null, h('tr', null, ['where', 'revision', 'image', 'members', 'since', 'kept to go back to', 'last ten'].map((it) => h('th', { scope: 'col' }, it)))),
    h('tbody', null, serving.map(row)));
}

function ended(over) {
  const now = known.overview.asOfMillis;
  return h('table', { class: 'folds' },
    h('thead', null, h('tr', null, ['deployment', 'where', 'what', 'how it ended', 'took', 'ago'].map((it) => h('th', { scope: 'col' }, it)))),
    h('tbody', null, over.map((it) => h('tr', { key: it.deploymentId },
      h('th', { scope: 'row' }, h('a', { href: linkTo(it.deploymentId) }, it.deploymentId)),
      h('td', { 'data-label': 'where' }, it.infrastructure),
      h('td', { 'data-label': 'what', class: 'what' }, it.artifact ?? '–'),
      h('td', { 'data-label': 'how it ended' }, h('span', null, chip(state(it)), it.failure && h('span', { class: 'quiet' }, ` ${it.failure.error}`))),
      h('td', { 'data-label': 'took' }, it.endedMillis ? span(it.endedMillis - it.startedMillis) : '–'),
      h('td', { 'data-label': 'ago' }, ago(now - (it.endedMillis ?? it.startedMillis)))))));
}

function freeze() {
  const environments = [...new Set(known.overview.deployments.map((it) => it.infrastructure.split('/')[1]).filter(Boolean))].sort();
  ask({
    title: 'Stop the line', button: 'Stop the line', comments: true, environments,
    will: ['New deployments are refused, with who and why.', 'What runs goes on, and going back is always possible.'],
    command: 'crossfade freeze ENVIRONMENT', body: ({ environment, comment }) => ({ act: 'freeze', environment: environment || null, comment }),
  });
}

// ── One deployment ──────────────────────────────────────────────────────────

function deployment(id) {
  const back = h('p', { key: 'back', class: 'back' }, h('a', { href: '#/' }, '← All deployments'));
  const it = known.detail;
  if (!it || it.deploymentId !== id) return [back, h('h1', { key: 'h1' }, id), h('p', { key: 'quiet', class: 'quiet' }, 'Looking…')];
  if (it.problem) return [back, h('h1', { key: 'h1' }, id), h('p', { key: 'problem', class: 'notice bad' }, it.problem)];
  return [
    back,
    head(it),
    question(it),
    failed(it),
    h('div', { key: 'columns', class: 'columns' },
      h('div', { class: 'column' }, stages(it), deeds(it)),
      h('div', { class: 'column' }, trafficNow(it), overTime(it), checks(it), members(it))),
    log(it),
  ].filter(Boolean);
}

function head(it) {
  const ended = it.endedMillis ?? it.asOfMillis;
  const from = it.from.map((fleet) => fleet.fleet).join(', ');
  const fact = (name, ...value) => [h('dt', null, name), h('dd', null, ...value)];
  return h('div', { key: 'head', class: 'head' },
    h('h1', null, it.deploymentId),
    chip(state(it)),
    it.description && h('p', { class: 'description' }, it.description),
    it.stopping && h('p', { class: 'notice ask' }, h('b', null, '‖ It stops before its next stage'), `, as wanted by ${it.stopping}. `, copyable(`crossfade resume ${it.deploymentId}`)),
    h('dl', null,
      fact('where', it.infrastructure),
      fact('what', h('span', { class: 'what' }, it.artifact), it.candidate ? ` → ${it.candidate.fleet}` : '', from ? `, from ${from}` : ''),
      fact('started', date(it.startedMillis)),
      fact(it.endedMillis ? 'took' : 'for', span(ended - it.startedMillis), it.endedMillis ? `, ended ${ago(it.asOfMillis - it.endedMillis)} ago` : ''),
      it.remainingMillis ? fact('still', `about ${span(it.remainingMillis)}, questions aside`) : null));
}

function question(it) {
  if (!it.question) return null;
  const { stage, message, deadlineMillis, direction, pauses } = it.question;
  const way = direction === 'rollback' ? it.rollback : it.stages;
  const offer = (deed) => it.offers.find((one) => one.deed === deed);
  const yes = offer(pauses ? 'resume' : 'approve');
  return h('section', { key: 'question', class: 'panel ask', 'aria-labelledby': 'question-title' },
    h('h2', { id: 'question-title' }, `? ${message || 'Go on?'}`),
    h('p', null, `Stage ${stage} of ${way.length}, ${it.question.name}. `, h('b', null, `${span(deadlineMillis - it.asOfMillis)} left`), `, then ${silence(it.question)}.`),
    h('ol', { class: 'will' }, yes.will.map((line) => h('li', null, line))),
    h('p', { class: 'acts' }, deedButton(it, yes, 'primary'), deedButton(it, offer('reject'), 'danger')));
}

function failed(it) {
  if (it.died) return h('section', { key: 'failed', class: 'panel bad', 'aria-label': 'Stopped' }, h('p', null, h('b', null, '✗ '), it.died));
  if (!it.failure) return null;
  const stuck = it.status === 'failedDirty';
  const lines = short(it.failure.cause).replaceAll(' Left: ', '\nLeft: ').replaceAll(' The deployment had failed with ', '\nIt had failed with ').split('\n');
  const drifted = (it.now?.switches ?? []).filter((one) => one.weights.some((w) => w.now !== (w.set ?? w.before)) && one.weights.some((w) => w.now !== w.before));
  return h('section', { key: 'failed', class: `panel ${stuck ? 'bad' : 'clean'}`, 'aria-labelledby': 'failed-title' },
    h('h2', { id: 'failed-title' }, stuck ? '✗ FAILED DIRTY: nothing moves, the lock is held' : `✗ ${it.failure.error}`),
    h('ul', { class: 'why' }, lines.map((line) => h('li', null, line))),
    drifted.map((one) => h('table', { class: 'weights' },
      h('caption', null, 'Somebody else has set the weights'),
      h('thead', null, h('tr', null, ['', 'before', 'set', 'now'].map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', null, one.weights.map((w) => h('tr', null, h('th', { scope: 'row' }, w.targetGroup), h('td', null, w.before), h('td', null, w.set ?? '–'), h('td', null, h('b', null, w.now))))))));
}

function stages(it) {
  const list = (all, label, prefix) => h('ol', { class: 'stages', 'aria-label': label }, all.map((one) => stage(one, it, prefix)));
  return section('stages', 'Stages',
    list(it.stages, 'On the way forward', ''),
    it.rollback.length > 0 && [h('h3', null, `↩ Back${it.rollbackMillis ? `, since ${timeSeen(it.rollbackMillis, it.asOfMillis)}` : ''}`), list(it.rollback, 'On the way back', 'R')]);
}

function stage(one, it, prefix) {
  const notes = [];
  const { state: how } = one;
  if (how === 'asking' && it.question) notes.push(`${span(it.question.deadlineMillis - it.asOfMillis)} left`);
  if (how === 'running' || how === 'toCome') if (one.plannedMillis) notes.push(`takes ${span(one.plannedMillis)}`);
  if (one.lastTimeMillis && how !== 'failed' && how !== 'notReached') notes.push(`last time ${span(one.lastTimeMillis)}`);
  if (how === 'running') notes.push(`limit ${span(one.limitMillis)}`);
  const goal = how === 'asking' ? null : one.plannedMillis ?? one.lastTimeMillis ?? one.limitMillis;
  return h('li', { key: `${prefix}${one.number}`, class: `stage ${how}`, 'aria-current': ['running', 'asking'].includes(how) ? 'step' : false },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[how]),
    h('span', { class: 'number' }, `${prefix}${one.number}`),
    h('span', { class: 'name' }, one.name, h('span', { class: 'unseen' }, `: ${STAGE_WORDS[how]}`)),
    h('span', { class: 'took' }, one.millis !== null ? span(one.millis) : ''),
    h('span', { class: 'does' }, short(one.does)),
    notes.length > 0 && h('span', { class: 'notes' }, notes.join(', ')),
    how === 'running' && goal && h('progress', { max: goal, value: Math.min(goal, one.millis ?? 0), 'aria-label': `${one.name}: ${span(one.millis ?? 0)} of ${span(goal)}` }),
    one.missing && how === 'running' && h('span', { class: 'missing' }, short(one.missing)));
}

const sides = { old: 'old', new: 'new' };

function trafficNow(it) {
  const now = it.now;
  if (!now) return null;
  const shown = now.fleets.filter((fleet) => fleet.percent !== null && fleet.percent > 0);
  return section('traffic', 'Traffic now',
    shown.length > 0 && h('div', { class: 'share', role: 'img', 'aria-label': shown.map((fleet) => `${fleet.percent} % ${sides[fleet.side]} ${fleet.fleet}`).join(', ') },
      shown.map((fleet) => h('div', { key: fleet.fleet, class: `part ${fleet.side}`, vars: { share: fleet.percent } }, h('span', null, `${fleet.percent} %`)))),
    h('ul', { class: 'fleets' }, now.fleets.map((fleet) => h('li', { key: fleet.fleet },
      h('span', { class: `swatch ${fleet.side}`, 'aria-hidden': 'true' }),
      h('b', null, `${sides[fleet.side]} `, fleet.fleet),
      h('span', null, fleet.percent === null ? '–' : `${fleet.percent} %`),
      h('span', { class: fleet.healthy < fleet.desired ? 'why' : '' }, `${fleet.healthy}/${fleet.desired} healthy`,
        fleet.starting > 0 ? `, ${fleet.starting} starting` : '', fleet.leaving > 0 ? `, ${fleet.leaving} leaving` : '',
        Object.entries(fleet.reasons).map(([reason, count]) => `, ${reason} ${count}`).join(''))))),
    now.problem && h('p', { class: 'why' }, `Could not be read: ${now.problem}`));
}

function overTime(it) {
  const points = it.history;
  if (points.length < 2) return null;
  const from = it.startedMillis;
  const to = Math.max(it.endedMillis ?? it.asOfMillis, points.at(-1).atMillis, from + 1000);
  const width = Math.max(260, Math.min(760, (document.querySelector('#curves')?.clientWidth ?? 560)));
  const marks = it.rollbackMillis ? [{ at: it.rollbackMillis, sign: '↩', says: `the rollback began at ${time(it.rollbackMillis)}` }] : [];
  const view = { width, height: 130, from, to, marks };
  const share = traffic(points, view);
  const table = h('details', null, h('summary', null, 'As a table'),
    h('table', null, h('thead', null, h('tr', null, ['at', 'new %', 'old wanted', 'new wanted', 'healthy'].map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', null, points.filter((point, i) => i === 0 || changed(points[i - 1], point)).map((point) => h('tr', null,
        h('th', { scope: 'row' }, timeSeen(point.atMillis, it.asOfMillis)), h('td', null, point.newPercent ?? '–'), h('td', null, point.old.desired), h('td', null, point.new.desired),
        h('td', null, point.new.healthy === null ? '–' : point.old.healthy + point.new.healthy))))));
  const key = h('p', { class: 'key' }, h('span', { class: 'swatch old' }), 'old ', h('span', { class: 'swatch new' }), 'new ', h('span', { class: 'swatch healthy' }), 'healthy, as it was seen');
  return section('curves', 'Over time',
    share && h('figure', null, h('figcaption', null, 'Traffic, in percent'), share),
    h('figure', null, h('figcaption', null, 'Capacity, in members'), capacity(points, view)),
    key, table);
}

const changed = (a, b) => JSON.stringify([a.newPercent, a.old, a.new]) !== JSON.stringify([b.newPercent, b.old, b.new]);

function checks(it) {
  if (it.checks.length === 0) return null;
  return section('checks', 'Verification', h('ul', { class: 'checks' }, it.checks.map((check) => {
    const [mark, word] = verdict(check);
    return h('li', { key: check.name },
      h('p', null, h('b', null, check.name), ' ', h('span', { class: `verdict ${check.answers.at(-1)?.verdict ?? ''}` }, `${mark} ${word}`)),
      answers(check),
      check.said && h('p', { class: 'said' }, short(check.said)));
  })));
}

const HEALTH = { healthy: '●', starting: '◐', unhealthy: '✗', idle: '○', leaving: '◌' };

function members(it) {
  const all = it.now?.members ?? [];
  if (all.length === 0) return null;
  return section('members', 'Members', it.now.fleets.map((fleet) => {
    const own = all.filter((member) => member.fleet === fleet.fleet);
    if (own.length === 0) return null;
    const shown = known.allMembers ? own : own.slice(0, MEMBERS);
    return h('div', { key: fleet.fleet }, h('h3', null, `${sides[fleet.side]} ${fleet.fleet}`),
      h('ul', { class: 'members' }, shown.map((member) => h('li', { key: member.id, class: `member ${member.health}`, title: `${member.state}${member.reason ? `, ${member.reason}` : ''}` },
        h('span', { 'aria-hidden': 'true' }, HEALTH[member.health]), ' ', code(member.id), h('span', { class: 'unseen' }, `: ${member.health}`),
        member.health !== 'healthy' && h('span', { class: 'reason' }, ` ${member.reason ?? member.state}`),
        consoleOf(it.deploymentId, member.id),
        known.overview?.users && /^i-[0-9a-f]+$/.test(member.id) && ['healthy', 'starting'].includes(member.health) && breaks(member.id)))),
      shown.length < own.length && h('button', { type: 'button', class: 'small', onclick: () => { known.allMembers = true; draw(); } }, `Show all ${own.length}`));
  }));
}

/** In the account of `crossfade local`: lets something become of an instance. */
const breaks = (id) => h('details', null, h('summary', null, 'break'),
  h('button', { type: 'button', class: 'small', 'aria-label': `Kill ${id}`, onclick: () => goWrong(`kill ${id}`, `Kill ${id}`, `AWS takes ${id} away without asking anybody. What was in flight is lost, by AWS.`) }, 'Kill it…'), ' ',
  h('button', { type: 'button', class: 'small', 'aria-label': `Sicken ${id}`, onclick: () => goWrong(`sicken ${id}`, `Sicken ${id}`, `${id} answers every request with an error from now on, health checks included.`) }, 'Sicken it…'));

/** What a member has printed: asked for when somebody opens it, and not before. */
function consoleOf(deployment, id) {
  const it = known.consoles.get(id);
  const look = () => fetchConsole(deployment, id);
  const open = (event) => {
    if (event.target.open && !it) look();
    if (!event.target.open && it) known.consoles.delete(id);
  };
  return h('details', { key: 'console', class: 'console', ontoggle: open },
    h('summary', { 'aria-label': `Console of ${id}` }, 'console'),
    it && !it.answer && h('p', { class: 'quiet' }, 'Looking…'),
    it?.answer?.problem && h('p', { class: 'notice bad lines' }, it.answer.problem),
    (it?.answer?.notes ?? []).map((note) => h('p', null, note)),
    (it?.answer?.parts ?? []).map((part) => h('div', { key: part.of },
      h('p', { class: 'quiet' }, h('b', null, part.of), part.text && part.atMillis ? `, as AWS took it at ${timeSeen(part.atMillis, asOf())}` : '', part.notes.map((note) => ` · ${note}`)),
      part.text && h('pre', { tabindex: 0, 'aria-label': `What ${part.of} of ${id} has printed` }, part.text))),
    it?.answer && h('button', { type: 'button', class: 'small', onclick: look, 'aria-label': `Look again at the console of ${id}` }, 'Look again'));
}

async function fetchConsole(deployment, id) {
  const mine = { answer: null };
  known.consoles.set(id, mine);
  draw();
  try {
    const answer = await fetch(`/console?deployment=${encodeURIComponent(deployment)}&member=${encodeURIComponent(id)}`);
    mine.answer = answer.headers.get('content-type') === 'application/json' ? await answer.json() : { problem: await answer.text() };
  } catch {
    mine.answer = { problem: 'The dashboard does not answer.' };
  }
  say(mine.answer.problem ?? `The console of ${id} is shown.`, false);
  draw();
}

function deeds(it) {
  return section('deeds', 'What can be done',
    h('ul', { class: 'deeds' }, it.offers.map((offer) => h('li', { key: offer.deed },
      deedButton(it, offer, ''),
      offer.void ? h('span', { class: 'quiet', id: `void-${offer.deed}` }, offer.void) : copyable(offer.command)))));
}

function deedButton(it, offer, look) {
  const open = () => { if (!offer.void) askAbout(it.deploymentId, offer.deed); };
  return h('button', { type: 'button', class: look, onclick: open, 'aria-disabled': offer.void ? 'true' : false, 'aria-describedby': offer.void ? `void-${offer.deed}` : false }, `${offer.label}…`);
}

// ── The log ─────────────────────────────────────────────────────────────────

const KINDS = { all: 'all', changes: 'what happened', waiting: 'waiting', plan: 'the plan' };

function kindOf(line, names) {
  if (/^Stage \d+: /.test(line)) return 'plan';
  return names.some((name) => line.startsWith(`${name}: `)) ? 'waiting' : 'changes';
}

function log(it) {
  const names = [...it.stages, ...it.rollback].map((one) => one.name);
  const wanted = known.search.toLowerCase();
  const fits = (entry) => (known.filter === 'all' || kindOf(entry.line, names) === known.filter) && (!wanted || entry.line.toLowerCase().includes(wanted));
  const found = known.log.map((entry, i) => ({ ...entry, i })).filter(fits);
  const shown = found.slice(-LINES).reverse();
  const pick = (kind) => h('label', { key: kind }, h('input', { type: 'radio', name: 'kind', value: kind, checked: known.filter === kind, onchange: () => { known.filter = kind; draw(); } }), ' ', KINDS[kind]);
  return section('log', `Log (${thousands(known.log.length)} lines, the last one first)`,
    h('form', { class: 'filters', onsubmit: (event) => event.preventDefault() },
      h('fieldset', null, h('legend', { class: 'unseen' }, 'Which lines'), Object.keys(KINDS).map(pick)),
      h('label', { class: 'search' }, h('span', { class: 'unseen' }, 'Lines with this text'), h('input', { type: 'search', placeholder: 'find in the log', oninput: (event) => { known.search = event.target.value; draw(); } }))),
    found.length === 0 ? h('p', { class: 'quiet' }, known.log.length === 0 ? 'Nothing is logged yet.' : 'No line is like that.') : h('ol', { class: 'log', tabindex: 0, 'aria-label': 'Lines of the log' },
      shown.map((entry) => h('li', { key: entry.i, class: kindOf(entry.line, names) }, h('time', null, timeSeen(entry.atMillis, it.asOfMillis)), h('span', { title: entry.line }, short(entry.line))))),
    found.length > LINES && h('p', { class: 'quiet' }, `${thousands(found.length - LINES)} older lines: `, code(`crossfade status ${it.deploymentId} --log`)));
}

// ── Asking before anything is done ──────────────────────────────────────────

function askAbout(id, deed) {
  ask({ deployment: id, deed });
}

/** How many dialogs were opened. */
let dialogs = 0;

/** Opens the dialog. What it says of a deployment comes anew with every look, so that it is true when somebody says yes. */
function ask(what) {
  dialogs += 1;
  known.asking = { ...what, nth: dialogs, comment: '', typed: '', to: null, now: false, environment: what.environments?.[0] ?? '', busy: false, problem: null };
  drawDialog();
  $('dialog').showModal();
  $('dialog').querySelector('input, select, button')?.focus();
}

function closeDialog() {
  known.asking = null;
  if ($('dialog').open) $('dialog').close();
}
$('dialog').addEventListener('close', () => { known.asking = null; });

/** What the dialog is about, as it stands now. */
function asked() {
  const it = known.asking;
  if (!it?.deed) return it;
  const offer = known.detail?.offers?.find((one) => one.deed === it.deed);
  if (!offer || known.detail.deploymentId !== it.deployment) return { ...it, title: 'Gone', will: [], void: 'This deployment is not shown any more.' };
  // Somebody who has looked at one question must not answer the next one.
  it.stage ??= offer.stage;
  const other = offer.stage !== it.stage ? `It asks at another stage by now${offer.stage ? `: ${offer.stage}` : ''}.` : null;
  return {
    ...it, ...offer, void: offer.void ?? other, title: `${offer.label}: ${it.deployment}`, button: offer.label, stage: it.stage, typedWanted: offer.typed, typed: it.typed, comments: !['rollback', 'retry'].includes(it.deed),
    body: () => ({ act: 'deployment', deed: it.deed, deployment: it.deployment, stage: it.stage, to: it.to, now: it.now, comment: it.comment }),
  };
}

function drawDialog() {
  const it = asked();
  if (!it) return;
  const mine = known.asking;
  const may = Boolean(known.hello?.actions);
  const ready = may && !it.void && !mine.busy && (!it.typedWanted || mine.typed.trim() === it.typedWanted);
  const goesBack = it.deed === 'rollback' && (it.revisions?.length ?? 0) > 0;
  const danger = ['reject', 'abort', 'rollback'].includes(it.deed);
  const submit = async (event) => {
    event.preventDefault();
    if (!ready) return;
    mine.busy = true;
    mine.problem = null;
    drawDialog();
    const { ok, message } = await post(it.body(mine));
    mine.busy = false;
    if (ok) {
      known.told = { ok, message };
      say(message, true);
      closeDialog();
      draw();
    } else {
      mine.problem = message;
      say(message, true);
      drawDialog();
    }
  };
  const change = (name, value) => (event) => { mine[name] = value(event.target); drawDialog(); };
  // Each has fields of its own: what was typed into another one is no answer here.
  render($('dialog'), h('form', { key: mine.nth, onsubmit: submit },
    h('h2', { id: 'dialog-title' }, it.title),
    it.void ? h('p', { class: 'notice bad', role: 'alert' }, it.void) : h('ul', { class: 'will' }, it.will.map((line) => h('li', null, line))),
    !it.void && it.environments && h('label', null, 'Which environment', h('select', { onchange: change('environment', (target) => target.value) }, it.environments.map((one) => h('option', { value: one }, one)), h('option', { value: '' }, 'every environment'))),
    !it.void && goesBack && h('label', null, 'Back to revision', h('select', { onchange: change('to', (target) => (target.value ? Number(target.value) : null)) }, h('option', { value: '' }, 'the one that served before'), it.revisions.map((one) => h('option', { value: one }, one)))),
    !it.void && goesBack && h('label', { class: 'check' }, h('input', { type: 'checkbox', onchange: change('now', (target) => target.checked) }), ' at once'),
    !it.void && may && it.comments && h('label', null, 'Why, for the record', h('input', { type: 'text', autocomplete: 'off', maxlength: 500, oninput: change('comment', (target) => target.value) })),
    !it.void && may && it.typedWanted && h('label', null, `To be sure, type ${it.typedWanted}`, h('input', { type: 'text', autocomplete: 'off', spellcheck: 'false', oninput: change('typed', (target) => target.value) })),
    !may && h('p', { class: 'quiet' }, 'This dashboard is read-only. In a terminal:'),
    !may && !it.void && it.command && h('p', null, copyable(it.command)),
    mine.problem && h('p', { class: 'notice bad lines' }, mine.problem),
    h('p', { class: 'acts' },
      may && h('button', { type: 'submit', class: danger ? 'danger' : 'primary', 'aria-disabled': ready ? false : 'true' }, mine.busy ? 'Doing it…' : it.button ?? 'Do it'),
      h('button', { type: 'button', onclick: closeDialog }, may ? 'Not now' : 'Close'))));
}

async function post(body) {
  try {
    const answer = await fetch('/act', { method: 'POST', headers: { 'content-type': 'application/json', 'x-crossfade-token': known.hello.token }, body: JSON.stringify(body) });
    const text = await answer.text();
    try {
      return JSON.parse(text);
    } catch {
      return { ok: false, message: text };
    }
  } catch {
    return { ok: false, message: 'The dashboard does not answer. Whether it was done, the page says when it is back, or `crossfade status`.' };
  }
}

listen();
draw();
