import type { WorkerStatus } from '@background-workers/abstractions'
import { html } from 'hono/html'
import { OPERATIONS, type OperationName } from '../operations.ts'
import { MAX_TEXT_LENGTH } from '../plain-text.ts'
import { periodText } from '../schedule-text.ts'
import { workerPath } from '../worker-name.ts'
import { type Html, type PageFrame, layout } from './layout.ts'

/** What a confirmation shows. */
export interface ConfirmFacts {
  readonly worker: WorkerStatus
  readonly operation: OperationName
  readonly token: string
  /** What was wrong with the form that was sent, and what it held. */
  readonly problem?: string
  readonly sent?: URLSearchParams
}

/** Asks before an action, and takes what it needs. Browsers with scripts show it as a dialog. */
export function confirmPage(frame: PageFrame, facts: ConfirmFacts): Html {
  const { worker, operation, token, problem } = facts
  const { label, explanation, isDangerous } = OPERATIONS[operation]
  const path = `${frame.root}${workerPath(worker.name)}`
  return layout(frame, {
    heading: `${label}: ${worker.name}`,
    isLive: false,
    body: html`<section id="confirm" class="confirm" data-operation="${operation}">
<h1 id="confirm-heading">${label}</h1>
<p><strong class="name">${worker.name}</strong></p>
<p>${explanation}</p>
${problem ? html`<p class="banner" data-tone="bad" role="alert">${problem}</p>` : ''}
<form method="post" action="${path}/${operation}">
<input type="hidden" name="token" value="${token}">
${fields(facts)}
<p class="buttons"><a class="button" href="${path}" data-close>Back</a><button type="submit" class="button" data-tone="${isDangerous ? 'bad' : 'run'}">${label}</button></p>
</form></section>`,
  })
}

function fields({ operation, worker, sent }: ConfirmFacts): Html {
  if (operation === 'cancel') return html`<input type="hidden" name="runId" value="${worker.activeRun?.runId ?? ''}">`
  if (operation === 'pause') {
    return html`<label class="field"><span>Note <span class="faint">(why, for those who see it paused)</span></span><input name="note" maxlength="${MAX_TEXT_LENGTH}" value="${sent?.get('note') ?? ''}" autocomplete="off"></label>`
  }
  return operation === 'reschedule' ? scheduleFields(worker, sent) : html``
}

function scheduleFields({ schedule }: WorkerStatus, sent: URLSearchParams | undefined): Html {
  const current = schedule?.override?.schedule ?? schedule?.declared
  const kind = sent?.get('kind') ?? current?.kind ?? 'every'
  const { periodMs, offsetMs } = current?.kind === 'every' ? current : {}
  const period = sent?.get('period') ?? (periodMs === undefined ? '' : periodText(periodMs))
  const offset = sent?.get('offset') ?? (offsetMs === undefined ? '' : periodText(offsetMs))
  const expression = sent?.get('expression') ?? (current?.kind === 'cron' ? current.expression : '')
  const timeZone = sent?.get('timeZone') ?? (current?.kind === 'cron' ? current.timeZone : 'UTC')
  const choice = (value: string, text: string) =>
    html`<label class="choice"><input type="radio" name="kind" value="${value}" ${kind === value ? 'checked' : ''}> ${text}</label>`
  return html`<fieldset><legend class="hidden">Kind of schedule</legend>
${choice('every', 'At a fixed rate')}
<label class="field"><span>Every</span><input name="period" value="${period}" placeholder="10m" autocomplete="off" spellcheck="false" maxlength="100"></label>
<label class="field"><span>Offset <span class="faint">(how far its slots are moved; empty: by the name of the worker)</span></span><input name="offset" value="${offset}" placeholder="3h" autocomplete="off" spellcheck="false" maxlength="100"></label>
${choice('cron', 'By a cron expression')}
<label class="field"><span>Expression <span class="faint">(minute hour day month weekday)</span></span><input name="expression" value="${expression}" placeholder="0 9 * * MON-FRI" autocomplete="off" spellcheck="false" maxlength="200"></label>
<label class="field"><span>Time zone</span><input name="timeZone" value="${timeZone}" placeholder="Europe/Berlin" autocomplete="off" spellcheck="false" maxlength="100"></label>
</fieldset>`
}
