import {
  type RecordedError,
  type RunRecord,
  type Schedule,
  type WorkerStatus,
  nextDueAt,
} from '@background-workers/abstractions'
import { html } from 'hono/html'
import type { KnownHealth } from '../health-reader.ts'
import { OPERATIONS, type OperationName } from '../operations.ts'
import { scheduleText } from '../schedule-text.ts'
import { durationText, utcText, zonedText } from '../time-text.ts'
import { type JudgedWorker, attentionsOf } from '../worker-condition.ts'
import { workerPath } from '../worker-name.ts'
import { type Html, type PageFrame, layout } from './layout.ts'
import {
  ATTENTION_TONES,
  durationCell,
  healthNote,
  instanceTag,
  outcomeBadge,
  overrideText,
  pauseText,
  scheduleCell,
  stateBadges,
  timeTag,
} from './parts.ts'
import { outcomesText, sparkline } from './sparkline.ts'

/** What the page of a worker shows. */
export interface WorkerFacts {
  readonly worker: JudgedWorker
  readonly health: KnownHealth
  /** Newest first. */
  readonly records: readonly RunRecord[]
  /** What the operator may do with the worker as it stands. */
  readonly offered: readonly OperationName[]
  /** What has just been done. */
  readonly notice: string | undefined
}

const DUE_TIMES = 10

/** All about one worker. */
export function workerPage(frame: PageFrame, { worker, health, records, offered, notice }: WorkerFacts): Html {
  const { name, schedule, paused, recentOutcomes } = worker
  return layout(frame, {
    heading: name,
    isLive: true,
    notice,
    body: html`<p class="crumbs"><a href="${frame.root}workers">Workers</a></p>
<div class="title" data-worker="${name}" data-state="${worker.state}"><h1>${name}</h1>${stateBadges(worker)}</div>
<p class="lead">${scheduleCell(worker)}</p>
${healthNote(health)}
${attentionsOf(worker).map(({ code, text }) => html`<p class="banner" data-tone="${ATTENTION_TONES[code]}">${text}</p>`)}
${paused ? html`<p class="banner">${pauseText(paused)} <span class="faint">(${timeTag(paused.since, frame.now)})</span></p>` : ''}
${schedule?.override ? html`<p class="banner">${overrideText(schedule.override)}. Declared: ${scheduleText(schedule.declared).words}.</p>` : ''}
${offered.length > 0 ? actions(frame, name, offered) : ''}
${facts(frame, worker)}
<section class="panel" aria-labelledby="outcomes"><h2 id="outcomes">Recent outcomes</h2><div class="outcomes">${sparkline(recentOutcomes)}<p class="faint">${recentOutcomes.length === 0 ? 'None yet' : outcomesText(recentOutcomes)}</p></div></section>
<div class="columns worker">
${recordsPanel(frame, records)}
<div class="stack">${schedule ? duePanel(frame, worker, schedule.override?.schedule ?? schedule.declared) : ''}${definitionPanel(worker)}</div>
</div>`,
  })
}

function actions({ root }: PageFrame, name: string, offered: readonly OperationName[]): Html {
  return html`<ul class="actions" aria-label="Actions">${offered.map((operation) => {
    const { label, isDangerous } = OPERATIONS[operation]
    return html`<li><a class="button" href="${root}${workerPath(name)}/confirm/${operation}" data-dialog data-operation="${operation}" data-tone="${isDangerous ? 'bad' : operation === 'trigger' ? 'run' : 'calm'}">${label}</a></li>`
  })}</ul>`
}

function facts({ now }: PageFrame, { nextDueAt, activeRun, lastRun, lastSuccess, lastFailure }: WorkerStatus): Html {
  const fact = (term: string, value: Html) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`
  const ended = (record: RunRecord | undefined) =>
    record
      ? html`${timeTag(record.finishedAt ?? record.scheduledFor, now)} <span class="sub">${outcomeBadge(record)} ${record.reason ?? ''} ${durationCell(record.durationMs)} on ${instanceTag(record.instanceId)}</span>`
      : html`<span class="faint">never</span>`
  return html`<dl class="facts">
${fact('Next', nextDueAt ? html`${timeTag(nextDueAt, now)} <span class="sub">${utcText(nextDueAt)}</span>` : html`<span class="faint">none planned</span>`)}
${
  activeRun
    ? fact(
        'Active run',
        html`${activeRun.startedAt ? html`started ${timeTag(activeRun.startedAt, now)}` : 'waits to start'} <span class="sub">${activeRun.kind}${activeRun.by === undefined ? '' : ` by ${activeRun.by}`}${activeRun.startedAt ? `, attempt ${activeRun.attempts}` : ''} on ${instanceTag(activeRun.instanceId)}</span>`,
      )
    : fact('Last run', ended(lastRun))
}
${fact('Last success', ended(lastSuccess))}
${fact('Last failure', ended(lastFailure))}
</dl>`
}

function duePanel({ now }: PageFrame, worker: JudgedWorker, schedule: Schedule): Html {
  const times = dueTimes(worker, schedule, now)
  const timeZone = schedule.kind === 'cron' ? schedule.timeZone : 'UTC'
  const jitterMs = worker.policy?.jitterMs ?? 0
  return html`<section class="panel" aria-labelledby="due"><h2 id="due">Next due times</h2><p class="faint small">${timeZone}${
    jitterMs > 0 ? `; each starts up to ${durationText(jitterMs)} later (jitter)` : ''
  }${whyNoneRuns(worker)}</p>${
    times.length === 0
      ? html`<p class="empty">No more.</p>`
      : html`<ol class="due">${times.map((timeMs) => {
          const { time, offset } = zonedText(timeMs, timeZone)
          return html`<li data-key="d${timeMs}"><time datetime="${new Date(timeMs).toISOString()}">${time} <span class="offset">${offset}</span></time>${timeTag(new Date(timeMs), now)}</li>`
        })}</ol>`
  }</section>`
}

/** The schedule has slots all the same. */
function whyNoneRuns({ paused, state, nextDueAt, findings = [] }: JudgedWorker): string {
  if (paused) return '; none of them runs while the worker is paused'
  if (state === 'orphaned') return '; none of them runs while the worker is an orphan'
  const isSilent = findings.some(({ code }) => code === 'no-next-slot')
  if (isSilent) return '; none of them runs as long as the worker has no next slot'
  return nextDueAt ? '' : '; none of them runs as things stand'
}

/** The slots to come, as the manager would decide them. */
function dueTimes({ name, nextDueAt: first }: WorkerStatus, schedule: Schedule, now: number): number[] {
  const times: number[] = []
  let next = first?.getTime() ?? nextDueAt(schedule, now, name)
  while (next !== undefined && times.length < DUE_TIMES) {
    times.push(next)
    next = nextDueAt(schedule, next, name)
  }
  return times
}

function recordsPanel(frame: PageFrame, records: readonly RunRecord[]): Html {
  return html`<section class="panel" aria-labelledby="records"><h2 id="records">Records</h2>${
    records.length === 0
      ? html`<p class="empty">Nothing has been decided yet.</p>`
      : html`<table class="records" role="table"><thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Outcome</th><th scope="col" role="columnheader">Due</th><th scope="col" role="columnheader">Started</th><th scope="col" role="columnheader" class="number">Late by</th><th scope="col" role="columnheader" class="number">Took</th><th scope="col" role="columnheader" class="number">Attempts</th><th scope="col" role="columnheader">Instance</th></tr></thead><tbody role="rowgroup">${records.map(
          (record) => recordRow(frame, record),
        )}</tbody></table>`
  }</section>`
}

function recordRow({ now, errors }: PageFrame, record: RunRecord): Html {
  const { runId, kind, scheduledFor, startedAt, lateByMs, durationMs, attempts, reason, error, instanceId } = record
  return html`<tr role="row" data-run="${runId}" data-key="${runId}">
<td role="cell" data-label="Outcome">${outcomeBadge(record)}${reason ? html` <span class="reason">${reason}</span>` : ''} <span class="sub">${describeKind(record)}</span></td>
<td role="cell" data-label="${kind === 'manual' || kind === 'start' ? 'Accepted' : 'Due'}">${timeTag(scheduledFor, now)}</td>
<td role="cell" data-label="Started">${startedAt ? timeTag(startedAt, now) : html`<span class="faint">–</span>`}</td>
<td role="cell" class="number" data-label="Late by">${durationCell(lateByMs)}</td>
<td role="cell" class="number" data-label="Took">${durationCell(durationMs)}</td>
<td role="cell" class="number" data-label="Attempts">${attempts}</td>
<td role="cell" data-label="Instance">${instanceTag(instanceId)}</td>
</tr>${
    error
      ? html`<tr role="row" class="of-error" data-key="${runId}-error"><td role="cell" colspan="7">${errorDetails(error, errors)}</td></tr>`
      : ''
  }`
}

function describeKind({ kind, by, missedSlots, blockedBy, reason }: RunRecord): string {
  const parts: string[] = kind === 'scheduled' ? [] : [kind]
  // Who has cancelled it stands there too.
  if (by !== undefined) parts.push(reason === 'cancelled' ? `cancelled by ${by}` : `by ${by}`)
  if (missedSlots) parts.push(`${missedSlots} earlier slot${missedSlots === 1 ? '' : 's'} missed`)
  if (blockedBy !== undefined) parts.push(`blocked by ${blockedBy}`)
  return parts.join(', ')
}

function errorDetails({ name, message, code, stack }: RecordedError, errors: 'full' | 'redacted'): Html {
  const title = code === undefined ? name : `${name} (${code})`
  if (errors === 'redacted') return html`<p class="error">${title}</p>`
  return html`<details class="error"><summary>${title}: ${message}</summary><pre tabindex="0">${stack ?? message}</pre></details>`
}

function definitionPanel({ schedule, policy }: WorkerStatus): Html {
  const row = (term: string, value: string | Html) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`
  const ms = (value: number | undefined, none: string) => (value === undefined ? none : durationText(value))
  return html`<section class="panel" aria-labelledby="definition"><h2 id="definition">Definition and policy</h2><dl class="definition">
${schedule ? row('Declared schedule', scheduleLine(schedule.declared)) : row('Schedule', 'none: it starts and stops with the manager')}
${schedule?.override ? row('Override', scheduleLine(schedule.override.schedule)) : ''}
${
  policy
    ? html`${row('Run on start', policy.runOnStart ? 'yes' : 'no')}
${row('Late slots', policy.misfire === 'run-once' ? 'run once' : 'are missed')}
${row('Catch-up window', ms(policy.catchUpWindowMs, 'half the gap to the next slot, at most 1 h'))}
${row('Jitter', ms(policy.jitterMs === 0 ? undefined : policy.jitterMs, 'none'))}
${row('Timeout', ms(policy.timeoutMs, 'none'))}
${row('Retry', policy.retry ? `${policy.retry.attempts} attempts, ${durationText(policy.retry.backoffMs)} apart${policy.retry.factor === 1 ? '' : `, × ${policy.retry.factor} each, at most ${durationText(policy.retry.maxBackoffMs)}`}` : 'none')}
${row('Records kept', String(policy.keepRuns))}
${row('After a crash', policy.onCrash === 'recover' ? 'the run is run again once' : 'the next slot')}
${row('Queue', policy.queue)}`
    : ''
}
</dl></section>`
}

function scheduleLine(schedule: Schedule): Html {
  const { words, raw, timeZone } = scheduleText(schedule)
  return html`${words} <span class="sub"><code>${raw}</code> ${timeZone ?? ''}</span>`
}
