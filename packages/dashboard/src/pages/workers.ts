import { html } from 'hono/html'
import type { KnownHealth } from '../health-reader.ts'
import { FILTERS, type JudgedWorker, type WorkerFilter } from '../worker-condition.ts'
import { type WorkerPage, type WorkerQuery, type WorkerSort, writeWorkerQuery } from '../worker-list.ts'
import { type Html, type PageFrame, layout } from './layout.ts'
import {
  durationCell,
  healthNote,
  instanceTag,
  outcomeBadge,
  pauseText,
  scheduleCell,
  stateBadges,
  timeTag,
  workerLink,
} from './parts.ts'
import { sparkline } from './sparkline.ts'

/** What the list of workers shows. */
export interface WorkersFacts {
  readonly query: WorkerQuery
  readonly page: WorkerPage
  readonly health: KnownHealth
  /** What has just been done. */
  readonly notice: string | undefined
}

/** The list of workers. */
export function workersPage(frame: PageFrame, { query, page, health, notice }: WorkersFacts): Html {
  return layout(frame, {
    heading: 'Workers',
    active: 'workers',
    isLive: true,
    notice,
    body: html`<div class="title"><h1>Workers</h1><p class="faint" id="count">${countText(page)}</p></div>
${healthNote(health)}
${searchForm(query)}
${filterLinks(query, page)}
${page.workers.length === 0 ? emptyText(frame, page) : table(frame, query, page.workers)}
${pager(query, page)}`,
  })
}

function countText({ matching, total }: WorkerPage): string {
  return matching === total
    ? `${total.toLocaleString('en')} in all`
    : `${matching.toLocaleString('en')} of ${total.toLocaleString('en')}`
}

/** Where a link of this page leads: the same query but for what changes. */
function linkTo(query: WorkerQuery, change: Partial<WorkerQuery>): string {
  const text = writeWorkerQuery({ ...query, page: 1, ...change })
  return `?${text}`
}

function searchForm({ search, filter, sort, isDescending }: WorkerQuery): Html {
  const kept = { state: filter ?? '', sort: sort === 'name' ? '' : sort, order: isDescending ? 'desc' : '' }
  return html`<form class="search" role="search" method="get">
<label for="q" class="hidden">Search by name, schedule or note</label>
<input id="q" name="q" type="search" value="${search}" maxlength="200" placeholder="Name, schedule or note" autocomplete="off" spellcheck="false" data-search>
${Object.entries(kept).map(([name, value]) => (value === '' ? '' : html`<input type="hidden" name="${name}" value="${value}">`))}
<button type="submit">Search</button></form>`
}

function filterLinks(query: WorkerQuery, { counts, matching }: WorkerPage): Html {
  const chip = (filter: WorkerFilter | undefined, text: string, count: number | undefined) =>
    html`<li><a href="${linkTo(query, { filter })}" aria-current="${query.filter === filter ? 'true' : 'false'}">${text}${count === undefined ? '' : html` <span class="count">${count.toLocaleString('en')}</span>`}</a></li>`
  // What has none is left out, so that what there is stands out.
  const shown = (Object.keys(FILTERS) as WorkerFilter[]).filter(
    (filter) => counts[filter] > 0 || query.filter === filter,
  )
  return html`<nav aria-label="Filter by state"><ul class="chips">${chip(undefined, 'All', query.filter ? undefined : matching)}${shown.map(
    (filter) => chip(filter, FILTERS[filter], counts[filter]),
  )}</ul></nav>`
}

function emptyText({ root }: PageFrame, { total }: WorkerPage): Html {
  return total === 0
    ? html`<section class="message"><h2>No workers yet</h2><p>They show here as soon as the application adds them to its manager.</p></section>`
    : html`<section class="message"><h2>No worker matches</h2><p><a href="${root}workers">Show all ${total.toLocaleString('en')}</a></p></section>`
}

function table(frame: PageFrame, query: WorkerQuery, workers: readonly JudgedWorker[]): Html {
  return html`<table class="workers" role="table" aria-describedby="count"><thead role="rowgroup"><tr role="row">${sortHeader(query, 'name', 'Name')}<th scope="col" role="columnheader">Schedule</th>${sortHeader(query, 'next', 'Next')}${sortHeader(query, 'last', 'Last', true)}<th scope="col" role="columnheader">Recent</th>${sortHeader(query, 'state', 'State')}</tr></thead>
<tbody role="rowgroup">${workers.map((worker) => row(frame, worker))}</tbody></table>`
}

/** A first click sorts one way, the next one the other. */
function sortHeader(query: WorkerQuery, sort: WorkerSort, text: string, isNewestFirst = false): Html {
  const isSorted = query.sort === sort
  const isDescending = isSorted ? !query.isDescending : isNewestFirst
  const order = isSorted ? (query.isDescending ? 'descending' : 'ascending') : 'none'
  return html`<th scope="col" role="columnheader" aria-sort="${order}"><a href="${linkTo(query, { sort, isDescending })}">${text}<span class="arrow" aria-hidden="true">${isSorted ? (query.isDescending ? '↓' : '↑') : ''}</span></a></th>`
}

function row({ root, now }: PageFrame, worker: JudgedWorker): Html {
  const { name, nextDueAt, lastRun, recentOutcomes, state, paused } = worker
  return html`<tr role="row" data-worker="${name}" data-key="${name}" data-state="${state}">
<th scope="row" role="rowheader">${workerLink(root, name)}</th>
<td role="cell" data-label="Schedule">${scheduleCell(worker)}</td>
<td role="cell" data-label="Next">${nextDueAt ? timeTag(nextDueAt, now) : html`<span class="faint">–</span>`}</td>
<td role="cell" data-label="Last">${
    lastRun
      ? html`${outcomeBadge(lastRun)} <span class="took">${durationCell(lastRun.durationMs)}</span> <span class="sub">${timeTag(lastRun.finishedAt ?? lastRun.scheduledFor, now)} on ${instanceTag(lastRun.instanceId)}</span>`
      : html`<span class="faint">never</span>`
  }</td>
<td role="cell" data-label="Recent">${sparkline(recentOutcomes)}</td>
<td role="cell" data-label="State">${stateBadges(worker)}${paused ? html` <span class="sub note">${pauseText(paused)}</span>` : ''}</td>
</tr>`
}

function pager(query: WorkerQuery, { page, pages }: WorkerPage): Html {
  if (pages === 1) return html``
  const link = (target: number, text: string, rel: string) =>
    target < 1 || target > pages
      ? html`<span class="faint">${text}</span>`
      : html`<a href="${linkTo(query, { page: target })}" rel="${rel}">${text}</a>`
  return html`<nav class="pager" aria-label="Pages of the list">${link(page - 1, 'Previous', 'prev')}<span>Page ${page} of ${pages}</span>${link(page + 1, 'Next', 'next')}</nav>`
}
