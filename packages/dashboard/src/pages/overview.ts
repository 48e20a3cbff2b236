import type { HealthReason, WorkerStatus } from '@background-workers/abstractions'
import { healthStatus } from '@background-workers/abstractions/for-managers'
import { html } from 'hono/html'
import type { Activity, ActivityMinute } from '../activity.ts'
import type { KnownHealth } from '../health-reader.ts'
import { utcText } from '../time-text.ts'
import {
  FILTERS,
  type JudgedWorker,
  type WorkerFilter,
  attentionOf,
  attentionRank,
  matchesFilter,
} from '../worker-condition.ts'
import { countByFilter } from '../worker-list.ts'
import { type Html, type PageFrame, layout } from './layout.ts'
import { healthNote, instanceTag, pauseText, stateBadges, timeTag, workerLink } from './parts.ts'

/** What the overview shows. */
export interface OverviewFacts {
  /** None while they can not be read. */
  readonly workers: readonly JudgedWorker[] | undefined
  readonly health: KnownHealth
  readonly activity: Activity
}

const SHOWN = 8

/** The first page: what needs somebody, what goes on, and how much. */
export function overviewPage(frame: PageFrame, { workers, health, activity }: OverviewFacts): Html {
  return layout(frame, {
    heading: 'Overview',
    active: 'overview',
    isLive: true,
    body: html`<div class="title"><h1>Overview</h1>${healthBadge(health)}</div>
${generalReasons(health, workers)}
${
  workers
    ? html`${tiles(frame, workers)}
<div class="columns">
<div class="stack">${attentionPanel(frame, workers, health)}${activityPanel(activity)}</div>
<div class="stack">${runningPanel(frame, workers)}${nextPanel(frame, workers)}</div>
</div>`
    : html`<section class="message" role="alert"><h2>The workers can not be read</h2><p>The manager's store does not answer. Schedules and records are kept there; this page tries again by itself.</p></section>`
}
${instancesPanel(health)}`,
  })
}

const HEALTH_TONES = { ok: 'good', degraded: 'warn', unhealthy: 'bad' } as const

function healthBadge(health: KnownHealth): Html {
  if (!health) return html`<span class="badge large" data-tone="warn">Health: not known</span>`
  const { status } = health
  return html`<span class="badge large" data-tone="${HEALTH_TONES[status]}" data-health="${status}">Health: ${status}</span>`
}

/** What is wrong with the whole; what is wrong with a worker stands with it, if it has not been removed with a stuck run. */
function generalReasons(health: KnownHealth, workers: OverviewFacts['workers']): Html {
  if (!health) return healthNote(health)
  const listed = new Set(workers?.map(({ name }) => name))
  const isOfRemoved = ({ code, worker = '' }: HealthReason) => workers && code === 'stuck' && !listed.has(worker)
  const general = health.reasons.filter((reason) => reason.worker === undefined || isOfRemoved(reason))
  if (general.length === 0) return html``
  return html`<ul class="banner" data-tone="${HEALTH_TONES[healthStatus(general)]}" aria-label="What is wrong">${general.map(({ code, message }) => html`<li><strong>${code}</strong> ${message}</li>`)}</ul>`
}

const TILES: readonly WorkerFilter[] = ['attention', 'running', 'paused', 'failing', 'overdue', 'stuck', 'orphaned']
const GRAVE: ReadonlySet<WorkerFilter> = new Set(['failing', 'overdue', 'stuck'])

function tiles({ root }: PageFrame, workers: readonly JudgedWorker[]): Html {
  const counts = countByFilter(workers)
  const tile = (path: string, count: number, text: string, tone: string) =>
    html`<li><a href="${root}${path}" data-tone="${tone}"><b>${count.toLocaleString('en')}</b><span>${text}</span></a></li>`
  return html`<ul class="tiles" aria-label="Workers by state">${tile('workers', workers.length, workers.length === 1 ? 'Worker' : 'Workers', 'calm')}${TILES.map(
    (filter) => {
      const tone = counts[filter] === 0 ? 'none' : GRAVE.has(filter) ? 'bad' : filter === 'running' ? 'run' : 'warn'
      return tile(`workers?state=${filter}`, counts[filter], FILTERS[filter], tone)
    },
  )}</ul>`
}

function attentionPanel({ root, now }: PageFrame, workers: readonly JudgedWorker[], health: KnownHealth): Html {
  const found = workers
    .flatMap((worker) => {
      const attention = attentionOf(worker)
      return attention ? [{ worker, attention }] : []
    })
    .sort((one, other) => attentionRank(one.attention) - attentionRank(other.attention))
  const rows = found.slice(0, SHOWN).map(({ worker, attention }) => {
    const { name, lastFailure, paused } = worker
    return html`<li data-worker="${name}" data-key="${name}"><div>${workerLink(root, name)}${stateBadges(worker)}</div><p>${attention.text}${
      lastFailure?.error && worker.consecutiveFailures > 0
        ? html` Last failure ${timeTag(lastFailure.finishedAt ?? lastFailure.scheduledFor, now)}.`
        : ''
    }${paused ? html` ${pauseText(paused)}.` : ''}</p></li>`
  })
  // That none is found means nothing where nobody looks.
  if (rows.length === 0 && (!health || health.status === 'unhealthy')) return html``
  return html`<section class="panel" aria-labelledby="attention"><h2 id="attention">Needs attention</h2>${
    rows.length === 0 ? html`<p class="empty good">No worker needs attention.</p>` : html`<ul class="list">${rows}</ul>`
  }${found.length > SHOWN ? html`<p class="more"><a href="${root}workers?state=attention">All ${found.length}</a></p>` : ''}</section>`
}

function runningPanel({ root, now }: PageFrame, workers: readonly JudgedWorker[]): Html {
  const running = workers
    .filter((worker) => matchesFilter(worker, 'running'))
    .sort((one, other) => startOf(one) - startOf(other))
  return html`<section class="panel" aria-labelledby="running"><h2 id="running">Running now</h2>${
    running.length === 0
      ? html`<p class="empty">No run is active.</p>`
      : html`<ul class="list slim">${running
          .slice(0, SHOWN)
          .map(
            ({ name, activeRun }) =>
              html`<li data-worker="${name}" data-key="${name}">${workerLink(root, name)}<span class="faint">${
                activeRun?.startedAt ? html`started ${timeTag(activeRun.startedAt, now)}` : 'waits to start'
              }</span></li>`,
          )}</ul>`
  }${running.length > SHOWN ? html`<p class="more"><a href="${root}workers?state=running">All ${running.length}</a></p>` : ''}</section>`
}

function startOf({ activeRun }: WorkerStatus): number {
  return (activeRun?.startedAt ?? activeRun?.scheduledFor)?.getTime() ?? 0
}

function nextPanel({ root, now }: PageFrame, workers: readonly WorkerStatus[]): Html {
  const next = workers
    .flatMap(({ name, nextDueAt }) => (nextDueAt ? [{ name, nextDueAt }] : []))
    .sort((one, other) => one.nextDueAt.getTime() - other.nextDueAt.getTime())
    .slice(0, 5)
  return html`<section class="panel" aria-labelledby="next"><h2 id="next">Up next</h2>${
    next.length === 0
      ? html`<p class="empty">No slot is planned.</p>`
      : html`<ol class="list slim">${next.map(
          ({ name, nextDueAt }) =>
            html`<li data-worker="${name}" data-key="${name}">${workerLink(root, name)}<span class="faint">${timeTag(nextDueAt, now)}</span></li>`,
        )}</ol>`
  }</section>`
}

const PLOT_HEIGHT = 100
const BAR_WIDTH = 10

function activityPanel(activity: Activity): Html {
  const minutes = activity.minutes()
  const runs = minutes.reduce((sum, minute) => sum + minute.runs, 0)
  const failures = minutes.reduce((sum, minute) => sum + minute.failures, 0)
  const top = niceTop(Math.max(...minutes.map((minute) => minute.runs)))
  const summary = `${runs.toLocaleString('en')} ${runs === 1 ? 'run' : 'runs'} ended in the last hour, ${failures.toLocaleString('en')} of them failed or lost.`
  const first = minutes[0] as ActivityMinute
  return html`<section class="panel" aria-labelledby="activity"><div class="panel-head"><h2 id="activity">Runs per minute</h2><p class="legend"><span data-tone="run">runs</span><span data-tone="bad">failures</span></p></div>
<p class="faint">${summary}</p>
<div class="plot"><div class="y" aria-hidden="true"><span>${top}</span><span>${top / 2}</span><span>0</span></div>
<svg viewBox="0 0 ${minutes.length * BAR_WIDTH} ${PLOT_HEIGHT}" preserveAspectRatio="none" role="img" aria-labelledby="plot-title plot-text"><title id="plot-title">Runs and failures per minute</title><desc id="plot-text">${summary}</desc>
<path class="grid" d="M0 .5h${minutes.length * BAR_WIDTH}M0 ${PLOT_HEIGHT / 2}h${minutes.length * BAR_WIDTH}M0 ${PLOT_HEIGHT - 0.5}h${minutes.length * BAR_WIDTH}"/>
<path class="runs" d="${barsPath(minutes, ({ runs }) => runs, top)}"/><path class="failures" d="${barsPath(minutes, ({ failures }) => failures, top)}"/></svg>
<div class="x" aria-hidden="true"><span>${clockText(first.startMs)}</span><span>${clockText((minutes[minutes.length / 2] as ActivityMinute).startMs)}</span><span>now</span></div></div>
<p class="faint small">Counted since ${utcText(activity.since)}: every run of this instance, and of other instances the last run of each worker that a look at the list has found. So it can miss runs of other instances, and counts none twice. Times are UTC.</p>
<details><summary>As a table</summary><div class="scroll" role="group" aria-labelledby="activity" tabindex="0"><table role="table"><thead><tr><th scope="col">Minute (UTC)</th><th scope="col" class="number">Runs</th><th scope="col" class="number">Failures</th></tr></thead><tbody>${minutes
    .filter((minute) => minute.runs > 0)
    .reverse()
    .map(
      ({ startMs, runs, failures }) =>
        html`<tr data-key="m${startMs}"><td>${clockText(startMs)}</td><td class="number">${runs}</td><td class="number">${failures}</td></tr>`,
    )}</tbody></table></div></details></section>`
}

function barsPath(
  minutes: readonly ActivityMinute[],
  countOf: (minute: ActivityMinute) => number,
  top: number,
): string {
  return minutes
    .map((minute, index) => {
      const height = Math.round((countOf(minute) / top) * PLOT_HEIGHT * 10) / 10
      return height === 0
        ? ''
        : `M${index * BAR_WIDTH + 1} ${PLOT_HEIGHT - height}h${BAR_WIDTH - 2}v${height}h-${BAR_WIDTH - 2}z`
    })
    .join('')
}

/** An even number that is at least `value` and easy to read: 2, 4, 6, 8, 10, 20, 40, … */
function niceTop(value: number): number {
  for (let top = 1; ; top *= 10) {
    for (const factor of [2, 4, 6, 8, 10]) if (top * factor >= value) return top * factor
  }
}

function clockText(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(11, 16)
}

/** When each was seen last is not counted on: it beats on, and a page is not told of each beat. */
function instancesPanel(health: KnownHealth): Html {
  const instances = health?.instances
  if (!instances) return html``
  return html`<section class="panel" aria-labelledby="instances"><h2 id="instances">Instances alive</h2>${
    instances.length === 0
      ? html`<p class="empty">None.</p>`
      : html`<div class="scroll" role="group" aria-labelledby="instances" tabindex="0"><table role="table"><thead><tr><th scope="col">Instance</th><th scope="col">Release</th><th scope="col">Queues</th><th scope="col">Last seen</th></tr></thead><tbody>${instances.map(
          ({ instanceId, release, queues, lastSeenAt }) =>
            html`<tr data-key="${instanceId}"><td>${instanceTag(instanceId)}</td><td>${release ?? '–'}</td><td>${queues?.join(', ') || 'none'}</td><td><time datetime="${lastSeenAt.toISOString()}" title="${utcText(lastSeenAt)}">${lastSeenAt.toISOString().slice(11, 19)}</time> UTC</td></tr>`,
        )}</tbody></table></div>`
  }</section>`
}
