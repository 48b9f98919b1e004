// Words, signs and times: the same as the command prints.

/** 252400 → "4:12", 4000000 → "1:06:40". */
export function span(millis) {
  const total = Math.max(0, Math.floor(millis / 1000));
  const two = (number) => String(number).padStart(2, '0');
  const [hours, minutes, seconds] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/** How long ago, in the coarsest words that still say something. */
export function ago(millis) {
  const days = Math.floor(millis / 86_400_000);
  return days > 0 ? `${days} d` : span(millis);
}

const iso = (millis) => new Date(millis).toISOString();

/** "14:11:02Z". */
export const time = (millis) => `${iso(millis).slice(11, 19)}Z`;

/** "2026-11-29 14:11:02Z". */
export const date = (millis) => `${iso(millis).slice(0, 10)} ${time(millis)}`;

/** The time alone where both are of one day. */
export const timeSeen = (millis, from) => (iso(millis).slice(0, 10) === iso(from).slice(0, 10) ? time(millis) : date(millis));

/** 12345 → "12,345". */
export const thousands = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ',');

export const MARKS = { done: '✓', running: '▶', asking: '?', failed: '✗', toCome: '·', notReached: '–' };
export const STAGE_WORDS = {
  done: 'done', running: 'runs', asking: 'asks', failed: 'failed', toCome: 'to come', notReached: 'not reached',
};

/** How a deployment stands: sign, word, and the tone in which it is shown. */
export function state(listed) {
  if (listed.problem) return { mark: '!', word: 'cannot be read', tone: 'bad' };
  if (listed.died) return { mark: '✗', word: 'stopped, not rolled back yet', tone: 'bad' };
  if (listed.question) return { mark: '?', word: `asks at stage ${listed.question.stage}`, tone: 'ask' };
  switch (listed.status) {
    case 'preparing': return { mark: '·', word: 'preparing', tone: 'run' };
    case 'running': return { mark: '▶', word: 'running', tone: 'run' };
    case 'rollingBack': return { mark: '↩', word: 'rolling back', tone: 'back' };
    case 'succeeded': return { mark: '✓', word: 'succeeded', tone: 'good' };
    case 'failedClean': return { mark: '✗', word: 'failed, all as it was', tone: 'clean' };
    case 'failedDirty': return { mark: '✗', word: 'FAILED DIRTY', tone: 'bad' };
    case 'accepted': return { mark: '✗', word: 'failed, what it left is kept', tone: 'clean' };
    default: return { mark: '·', word: 'begins', tone: 'run' };
  }
}

/** What silence becomes. */
export function silence(question) {
  if (question.direction === 'rollback') return 'the inspection ends';
  return question.onTimeout === 'approve' ? 'approved' : 'rejected, and everything goes back';
}

/** The part of an ARN that tells people apart. */
export const callerName = (arn) => (arn ? arn.split(':').slice(5).join(':') : 'somebody whom AWS does not name');

/** A long ARN in a line of the log, as people call it. */
export const short = (line) =>
  line.replace(/arn:[^\s,:]*:[^\s,:]*:[^\s,:]*:[^\s,:]*:([^\s,]+)/g, (arn, rest) => {
    const parts = rest.split('/');
    return parts.length > 2 ? `${parts.slice(0, 3).join('/')}/…/${parts.at(-1)}` : rest;
  });
