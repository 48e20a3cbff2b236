import type { RunOutcome, RunRecord, WorkerState, WorkerStatus } from '@background-workers/abstractions'
import { FAILING_AFTER } from '@background-workers/abstractions/for-managers'
import { html } from 'hono/html'
import type { KnownHealth } from '../health-reader.ts'
import { scheduleText } from '../schedule-text.ts'
import { durationText, relativeText, utcText } from '../time-text.ts'
import { type AttentionCode, FINDINGS, type JudgedWorker } from '../worker-condition.ts'
import { isWorkerName, workerPath } from '../worker-name.ts'
import type { Html } from './layout.ts'

/** A worker's name that leads to its page. */
export function workerLink(root: string, name: string): Html {
  return isWorkerName(name)
    ? html`<a class="name" href="${root}${workerPath(name)}">${name}</a>`
    : html`<span class="name" title="Not a valid name">${name}</span>`
}

/** How far a time is, exact on hover; browsers count on. */
export function timeTag(time: Date, now: number): Html {
  return html`<time datetime="${time.toISOString()}" title="${utcText(time)}" data-relative>${relativeText(time.getTime(), now)}</time>`
}

const STATE_WORDS: Readonly<Record<WorkerState, string>> = {
  idle: 'Idle',
  running: 'Running',
  paused: 'Paused',
  ...FINDINGS,
}

/** How a worker stands, in words; it may be several things at once. */
export function stateBadges({ state, paused, consecutiveFailures, findings = [] }: JudgedWorker): Html {
  return html`<span class="badges"><span class="badge" data-tone="${STATE_TONES[state]}">${STATE_WORDS[state]}</span>${
    paused && state !== 'paused' ? html`<span class="badge" data-tone="pause">Paused</span>` : ''
  }${
    consecutiveFailures > 0 ? html`<span class="badge" data-tone="bad">${failuresText(consecutiveFailures)}</span>` : ''
  }${findings.map(
    ({ code, message }) =>
      html`<span class="badge" data-tone="${ATTENTION_TONES[code]}" title="${message}">${FINDINGS[code]}</span>`,
  )}</span>`
}

/** Says that badges may be missing, if so. */
export function healthNote(health: KnownHealth): Html {
  if (health) return html``
  return html`<p class="banner">The health can not be read, so something that is wrong may not show.</p>`
}

/** A worker counts as failing from the third failure in a row on. */
function failuresText(count: number): string {
  if (count === 1) return 'Failed once'
  return `${count >= FAILING_AFTER ? 'Failing' : 'Failed'} ${count} times`
}

/** How grave it is that a worker needs somebody. */
export const ATTENTION_TONES: Readonly<Record<AttentionCode, 'warn' | 'bad'>> = {
  stuck: 'bad',
  overdue: 'bad',
  'start-failed': 'bad',
  'no-next-slot': 'bad',
  'never-ran': 'warn',
  failing: 'bad',
  lost: 'bad',
  'no-handler': 'warn',
  orphaned: 'warn',
}

const STATE_TONES: Readonly<Record<WorkerState, Tone>> = {
  ...ATTENTION_TONES,
  idle: 'calm',
  running: 'run',
  paused: 'pause',
}

type Tone = 'calm' | 'run' | 'pause' | 'good' | 'warn' | 'bad'

const OUTCOME_TONES: Readonly<Record<RunOutcome, Tone>> = {
  succeeded: 'good',
  failed: 'bad',
  aborted: 'warn',
  skipped: 'calm',
  missed: 'warn',
  lost: 'bad',
}

/** How a slot or a run ended, in words; a run that is active has not. */
export function outcomeBadge({ outcome, startedAt }: RunRecord): Html {
  if (outcome) return html`<span class="outcome" data-tone="${OUTCOME_TONES[outcome]}">${outcome}</span>`
  return html`<span class="outcome" data-tone="run">${startedAt ? 'running' : 'waiting'}</span>`
}

/** Who has paused a worker, and why. */
export function pauseText({ note, by }: NonNullable<WorkerStatus['paused']>): string {
  return `${by === undefined ? 'Paused' : `Paused by ${by}`}${note === undefined ? '' : `: ${note}`}`
}

/** The schedule in force: words, what is written, its zone, and whether it is an override. */
export function scheduleCell({ schedule }: WorkerStatus): Html {
  if (!schedule) return html`<span class="faint">starts and stops only</span>`
  const { override, declared } = schedule
  const { words, raw, timeZone } = scheduleText(override?.schedule ?? declared)
  return html`<span class="words">${words}</span> <span class="sub"><code>${raw}</code>${timeZone ? html` <span>${timeZone}</span>` : ''}${override ? html` <span class="tag" title="${overrideText(override)}">overridden</span>` : ''}</span>`
}

/** Who has overridden a schedule, and since when. */
export function overrideText({ by, since }: { readonly by?: string; readonly since: Date }): string {
  return `Overridden${by === undefined ? '' : ` by ${by}`} since ${utcText(since)}`
}

/** The first characters tell instances apart. */
export function instanceTag(instanceId: string): Html {
  return html`<span class="instance" title="Instance ${instanceId}">${instanceId.slice(0, 8)}</span>`
}

/** How long a run took, or that it has not. */
export function durationCell(ms: number | undefined): Html {
  return ms === undefined ? html`<span class="faint">–</span>` : html`${durationText(ms)}`
}
