import { rawSchedule } from './schedule-text.ts'
import { FILTERS, type JudgedWorker, type WorkerFilter, matchesFilter, stateRank } from './worker-condition.ts'

/** How many workers stand on a page. */
export const PAGE_SIZE = 50

/** The columns that the list can be sorted by. */
export type WorkerSort = 'name' | 'next' | 'last' | 'state'

/** What part of the list is asked for, and in what order. */
export interface WorkerQuery {
  readonly search: string
  readonly filter: WorkerFilter | undefined
  readonly sort: WorkerSort
  readonly isDescending: boolean
  readonly page: number
}

/** One page of the list. */
export interface WorkerPage {
  readonly workers: readonly JudgedWorker[]
  /** How many match; the page has up to `PAGE_SIZE` of them. */
  readonly matching: number
  readonly total: number
  /** The page that is shown: the last one where a later one was asked for. */
  readonly page: number
  readonly pages: number
  /** How many of those that match the search each filter would leave. */
  readonly counts: Readonly<Record<WorkerFilter, number>>
}

/** Reads a query string; what can not be read counts as not given. */
export function readWorkerQuery(params: URLSearchParams): WorkerQuery {
  const filter = params.get('state') ?? ''
  const sort = params.get('sort') ?? ''
  const page = Number(params.get('page'))
  return {
    search: (params.get('q') ?? '').trim().slice(0, 200),
    filter: Object.hasOwn(FILTERS, filter) ? (filter as WorkerFilter) : undefined,
    sort: isSort(sort) ? sort : 'name',
    isDescending: params.get('order') === 'desc',
    page: Number.isSafeInteger(page) && page > 0 ? page : 1,
  }
}

/** The query string of a query, without what is the default. */
export function writeWorkerQuery({ search, filter, sort, isDescending, page }: WorkerQuery): string {
  const params = new URLSearchParams()
  if (search !== '') params.set('q', search)
  if (filter) params.set('state', filter)
  if (sort !== 'name') params.set('sort', sort)
  if (isDescending) params.set('order', 'desc')
  if (page > 1) params.set('page', String(page))
  return params.toString()
}

/** Searches, filters, sorts and cuts the list to one page. */
export function queryWorkers(all: readonly JudgedWorker[], query: WorkerQuery): WorkerPage {
  const found = query.search === '' ? all : all.filter((worker) => matchesSearch(worker, query.search.toLowerCase()))
  const { filter } = query
  const matching = filter ? found.filter((worker) => matchesFilter(worker, filter)) : [...found]
  matching.sort(comparer(query))
  const pages = Math.max(1, Math.ceil(matching.length / PAGE_SIZE))
  const page = Math.min(query.page, pages)
  return {
    workers: matching.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE),
    matching: matching.length,
    total: all.length,
    page,
    pages,
    counts: countByFilter(found),
  }
}

/** How many workers each filter leaves. */
export function countByFilter(workers: readonly JudgedWorker[]): Record<WorkerFilter, number> {
  const filters = Object.keys(FILTERS) as WorkerFilter[]
  const counts = Object.fromEntries(filters.map((filter) => [filter, 0])) as Record<WorkerFilter, number>
  for (const worker of workers) {
    for (const filter of filters) if (matchesFilter(worker, filter)) counts[filter]++
  }
  return counts
}

function isSort(text: string): text is WorkerSort {
  return text === 'name' || text === 'next' || text === 'last' || text === 'state'
}

/** By name, by what the schedule looks like as it is written, and by the note of a pause. */
function matchesSearch({ name, schedule, paused }: JudgedWorker, search: string): boolean {
  if (name.toLowerCase().includes(search) || paused?.note?.toLowerCase().includes(search)) return true
  if (!schedule) return false
  const inForce = schedule.override?.schedule ?? schedule.declared
  const timeZone = inForce.kind === 'cron' ? inForce.timeZone : ''
  return rawSchedule(inForce).toLowerCase().includes(search) || timeZone.toLowerCase().includes(search)
}

function comparer({ sort, isDescending }: WorkerQuery): (one: JudgedWorker, other: JudgedWorker) => number {
  const sign = isDescending ? -1 : 1
  const byName = (one: JudgedWorker, other: JudgedWorker) =>
    one.name < other.name ? -1 : one.name > other.name ? 1 : 0
  if (sort === 'name') return (one, other) => sign * byName(one, other)
  const read = SORT_VALUES[sort]
  return (one, other) => {
    const first = read(one)
    const second = read(other)
    if (first === second) return byName(one, other)
    // Those that have none stand last, whatever the order.
    if (first === undefined) return 1
    if (second === undefined) return -1
    return sign * (first - second)
  }
}

const SORT_VALUES: Readonly<Record<Exclude<WorkerSort, 'name'>, (worker: JudgedWorker) => number | undefined>> = {
  next: ({ nextDueAt }) => nextDueAt?.getTime(),
  last: ({ lastRun }) => lastRun && (lastRun.finishedAt ?? lastRun.scheduledFor).getTime(),
  state: stateRank,
}
