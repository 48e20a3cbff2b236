import type {
  FilledPolicy,
  PauseInfo,
  RecordedError,
  RunRecord,
  Schedule,
  ScheduleOverride,
} from '@background-workers/abstractions'
import {
  type PeriodicWorkerDefinition,
  checkPolicy,
  checkSchedule,
  fillPolicy,
} from '@background-workers/abstractions/for-managers'

// How the values of a worker's fields are read. What is malformed gives `undefined`, or throws whatever it likes.

/** A definition and who declared it. */
export interface StoredDefinition extends Pick<PeriodicWorkerDefinition, 'schedule' | 'policy'> {
  readonly release: number
  /** When the declaring instance started, by Redis time: of two with one release the later wins. */
  readonly declaredAt: number
  readonly instanceId: string
  /** When the worker was first declared; the order of `list`. */
  readonly since: number
  /** The order among those that were first declared at one time. */
  readonly order: number
}

/** The run that holds the guard, and whether its outcome is fixed. */
export interface ActiveInStore {
  readonly token: string
  readonly isFinished: boolean
  readonly record: RunRecord
}

/** A mark that was raised; both times in ms since the epoch. */
export interface Raise {
  readonly from: number
  readonly to: number
}

/** Reads how a mark was raised. */
export function parseRaise(text: string): Raise | undefined {
  const [, to, from] = /^(\d{1,15}) (\d{1,15})$/.exec(text) ?? []
  return to === undefined ? undefined : { from: Number(from), to: Number(to) }
}

/** Reads the record of a slot or run. */
export function parseRecord(text: string): RunRecord | undefined {
  // The last run mostly is the last success too.
  if (text !== latestRecord?.text) latestRecord = { text, record: readRecord(text) }
  return latestRecord.record
}

let latestRecord: { readonly text: string; readonly record: RunRecord | undefined } | undefined

const isText = (value: unknown) => typeof value === 'string'
const isTextOrAbsent = (value: unknown) => value === undefined || isText(value)
const isNumberOrAbsent = (value: unknown) => value === undefined || Number.isFinite(value)

/** What the fields of a record must be, besides its times: callers and pages rely on it. */
const recordFields: Record<
  Exclude<keyof RunRecord, 'scheduledFor' | 'startedAt' | 'finishedAt'>,
  (value: unknown) => boolean
> = {
  runId: isText,
  worker: isText,
  kind: isText,
  attempts: Number.isFinite,
  instanceId: isText,
  outcome: isTextOrAbsent,
  reason: isTextOrAbsent,
  blockedBy: isTextOrAbsent,
  by: isTextOrAbsent,
  lateByMs: isNumberOrAbsent,
  durationMs: isNumberOrAbsent,
  missedSlots: isNumberOrAbsent,
  error: (value) => value === undefined || isError(value),
}

function isError(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { name, message, code, stack } = value as Partial<Record<keyof RecordedError, unknown>>
  return isText(name) && isText(message) && isTextOrAbsent(code) && isTextOrAbsent(stack)
}

function readRecord(text: string): RunRecord | undefined {
  const value = parseObject(text)
  if (!value) return undefined
  for (const [field, isRight] of Object.entries(recordFields)) if (!isRight(value[field])) return undefined
  const scheduledFor = parseDate(value.scheduledFor)
  if (!scheduledFor) return undefined
  const startedAt = parseDate(value.startedAt)
  const finishedAt = parseDate(value.finishedAt)
  // The finding tells apart those who found the run lost.
  const { startedAt: _startedAt, finishedAt: _finishedAt, finding: _finding, ...rest } = value
  return {
    ...(rest as unknown as RunRecord),
    scheduledFor,
    ...(startedAt && { startedAt }),
    ...(finishedAt && { finishedAt }),
  }
}

/** What the code declares of a worker. */
type Declared = Pick<PeriodicWorkerDefinition, 'schedule' | 'policy'>

/** Reads what was declared of a worker, and by whom. */
export function parseDefinition(text: string): StoredDefinition | undefined {
  const written = readWritten(text)
  if (written) return written
  const definition = readDefinition(text)
  if (definition) noteDeclared(definition)
  return definition
}

/** The next text that says this of a worker is right, and need not be checked. */
export function noteDeclared({ schedule, policy }: Declared): void {
  keep(knownSchedules, JSON.stringify(schedule), schedule)
  keep(knownPolicies, policyText(policy), policy)
}

/** A policy as it is written. Many workers share one, so it is remembered. */
export function policyText(policy: FilledPolicy): string {
  let text = policyTexts.get(policy)
  if (text === undefined) {
    text = JSON.stringify(policy)
    policyTexts.set(policy, text)
  }
  return text
}

const policyTexts = new WeakMap<FilledPolicy, string>()

/**
 * By their texts: the schedules and policies that are known to be right. A definition is read for each start, tick and run, and
 * hardly ever changes: to check one takes 10 µs, to know one 1 µs. Thousands of workers have a few policies.
 */
const knownSchedules = new Map<string, Schedule>()
const knownPolicies = new Map<string, FilledPolicy>()
const KEPT = 20_000

function keep<T>(known: Map<string, T>, text: string, value: T): void {
  if (known.size >= KEPT && !known.has(text)) known.clear()
  known.set(text, value)
}

/**
 * A definition as it is written here, of which schedule and policy are known. Anything else that is JSON is read too, but slower.
 * One expression for all of it, and a look-up of each part, would take twice as long.
 */
function readWritten(text: string): StoredDefinition | undefined {
  const sharedAt = text.indexOf(SHARED)
  const orderAt = text.lastIndexOf(ORDER)
  const schedule = knownSchedules.get(text.slice(SCHEDULE.length, sharedAt))
  const shared = readShared(text.slice(sharedAt, orderAt))
  const order = text.slice(orderAt + ORDER.length, -1)
  const isComplete = text.startsWith(SCHEDULE) && text.endsWith('}') && ORDER_NUMBER.test(order)
  if (!schedule || !shared || !isComplete) return undefined
  const { policy, release, declaredAt, instanceId, since } = shared
  return { schedule, policy, release, declaredAt, instanceId, since, order: Number(order) }
}

/** What many workers have in common: those of one policy that were declared together. */
type Shared = Omit<StoredDefinition, 'schedule' | 'order'>

function readShared(text: string): Shared | undefined {
  if (text === latestShared?.text) return latestShared.shared
  const [, policyText, release, declaredAt, id, since] = WRITTEN_SHARED.exec(text) ?? []
  const policy = policyText && knownPolicies.get(policyText)
  if (!policy || id === undefined) return undefined
  // A part of a text keeps all of it in memory; most definitions are of one instance.
  const instanceId = id === latestShared?.shared.instanceId ? latestShared.shared.instanceId : id
  const shared = { policy, release: Number(release), declaredAt: Number(declaredAt), instanceId, since: Number(since) }
  latestShared = { text, shared }
  return shared
}

let latestShared: { readonly text: string; readonly shared: Shared } | undefined

const SCHEDULE = '{"schedule":'
const SHARED = ',"policy":'
const ORDER = ',"order":'
const NUMBER = '(0|[1-9][0-9]{0,14})'
const WRITTEN_SHARED = new RegExp(
  `^,"policy":(\\{.*\\}),"release":${NUMBER},"declaredAt":${NUMBER},"instanceId":"([\\w-]{1,100})","since":${NUMBER}$`,
)
const ORDER_NUMBER = new RegExp(`^${NUMBER}$`)

function readDefinition(text: string): StoredDefinition | undefined {
  const value = parseObject(text)
  if (!value) return undefined
  const { release, declaredAt, since, order, instanceId } = value
  if (
    typeof release !== 'number' ||
    typeof declaredAt !== 'number' ||
    typeof since !== 'number' ||
    typeof order !== 'number' ||
    typeof instanceId !== 'string'
  )
    return undefined
  return {
    schedule: parseSchedule(value.schedule),
    policy: readPolicy(value.policy),
    release,
    declaredAt,
    since,
    order,
    instanceId,
  }
}

function readPolicy(value: unknown): FilledPolicy {
  const text = JSON.stringify(value)
  let policy = knownPolicies.get(text)
  if (policy) return policy
  checkPolicy('stored policy', value)
  policy = fillPolicy(value as object)
  keep(knownPolicies, text, policy)
  return policy
}

function parseSchedule(value: unknown): Schedule {
  return checkSchedule(value, 'stored schedule')
}

/** Reads what `reschedule` has set. */
export function parseOverride(text: string): ScheduleOverride | undefined {
  const value = parseObject(text)
  const since = parseDate(value?.since)
  if (!value || !since) return undefined
  return { schedule: parseSchedule(value.schedule), since, ...(typeof value.by === 'string' && { by: value.by }) }
}

/** Reads why a worker is paused, by whom and since when. */
export function parsePause(text: string): PauseInfo | undefined {
  const value = parseObject(text)
  const since = parseDate(value?.since)
  if (!value || !since) return undefined
  return {
    since,
    ...(typeof value.note === 'string' && { note: value.note }),
    ...(typeof value.by === 'string' && { by: value.by }),
  }
}

/** Reads the run that holds the guard. */
export function parseActive(text: string): ActiveInStore | undefined {
  const [token, phase, ...json] = text.split('\n')
  const record = parseRecord(json.join('\n'))
  if (!token || !record || (phase !== 'running' && phase !== 'finished')) return undefined
  return { token, isFinished: phase === 'finished', record }
}

/** Reads a time in ms since the epoch, or a count. */
export function parseNumber(text: string): number | undefined {
  // Anything else would give dates that can not be.
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** Reads when a worker was removed; what follows the time tells one removal from another. */
export function parseTombstone(text: string): number | undefined {
  return parseNumber(text.split(' ', 1)[0] as string)
}

/** Reads a time as it is written in a record; gives it in ms since the epoch. */
export function parseTime(text: string): number | undefined {
  return parseDate(text)?.getTime()
}

function parseDate(value: unknown): Date | undefined {
  if (typeof value !== 'string') return undefined
  const date = new Date(value)
  return Number.isNaN(date.getTime()) ? undefined : date
}

function parseObject(text: string): Record<string, unknown> | undefined {
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}
