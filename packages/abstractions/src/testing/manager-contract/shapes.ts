import assert from 'node:assert/strict'
import { BackgroundWorkerError, type BackgroundWorkerErrorCode } from '../../errors.ts'
import { type RunRecord, isSlotRun } from '../../run-record.ts'
import type { WorkerStatus } from '../../worker-status.ts'

type FieldCheck = (value: unknown) => boolean

const isText: FieldCheck = (value) => typeof value === 'string' && value.length > 0
const isCount: FieldCheck = (value) => Number.isInteger(value) && (value as number) >= 0
const isDate: FieldCheck = (value) => value instanceof Date && !Number.isNaN(value.getTime())
const isObject: FieldCheck = (value) => typeof value === 'object' && value !== null
const isOneOf =
  (...allowed: readonly string[]): FieldCheck =>
  (value) =>
    allowed.includes(value as string)

const outcomes = isOneOf('succeeded', 'failed', 'aborted', 'skipped', 'missed', 'lost')

const recordFields: Record<keyof RunRecord, FieldCheck> = {
  runId: isText,
  worker: isText,
  kind: isOneOf('scheduled', 'catch-up', 'start', 'manual'),
  scheduledFor: isDate,
  startedAt: isDate,
  finishedAt: isDate,
  lateByMs: isCount,
  durationMs: isCount,
  missedSlots: (value) => isCount(value) && value !== 0,
  attempts: isCount,
  outcome: outcomes,
  reason: isOneOf(
    'overlap',
    'held-elsewhere',
    'paused',
    'late',
    'no-handler',
    'timeout',
    'stop',
    'cancelled',
    'lease-lost',
    'crash',
  ),
  error: (value) => isObject(value) && isText((value as { name?: unknown }).name),
  instanceId: isText,
  blockedBy: isText,
  by: isText,
}

const statusFields: Record<keyof WorkerStatus, FieldCheck> = {
  name: isText,
  schedule: isObject,
  policy: isObject,
  state: isOneOf('idle', 'running', 'paused', 'stuck', 'overdue', 'orphaned', 'no-handler', 'start-failed'),
  nextDueAt: isDate,
  paused: isObject,
  activeRun: isObject,
  lastRun: isObject,
  lastSuccess: isObject,
  lastFailure: isObject,
  recentOutcomes: (value) => Array.isArray(value) && value.every(outcomes),
  consecutiveFailures: isCount,
}

/** Asserts that a record has the fields that all managers share, no others, and those that belong together. */
export function checkRecord(record: RunRecord): void {
  checkFields('record', record, recordFields, ['runId', 'worker', 'kind', 'scheduledFor', 'attempts', 'instanceId'])
  const told = `in ${JSON.stringify(record)}`
  const isNonRun = record.outcome === 'skipped' || record.outcome === 'missed'
  assert.equal('finishedAt' in record, record.outcome !== undefined, `finishedAt comes with the outcome ${told}`)
  assert.equal(isNonRun && 'startedAt' in record, false, `what did not run has no startedAt ${told}`)
  if (isNonRun) assert.equal(record.attempts, 0, `what did not run has no attempts ${told}`)
  if (isNonRun || record.outcome === 'aborted') assert.ok(record.reason, `the outcome has a reason ${told}`)
  if (record.outcome === 'failed') assert.ok(record.error, `a failure has its error ${told}`)
  if (record.outcome === 'succeeded') assert.equal(record.error ?? record.reason, undefined, told)
  if (record.reason !== 'held-elsewhere') {
    assert.equal('blockedBy' in record, record.reason === 'overlap', `blockedBy comes with an overlap ${told}`)
  }
  assert.ok(record.runId.startsWith(`${record.worker}.`), `the run id opens with the worker ${told}`)
}

/** Asserts that a status has the fields that all managers share, and no others. */
export function checkStatus(status: WorkerStatus): void {
  checkFields('status', status, statusFields, ['name', 'state', 'recentOutcomes', 'consecutiveFailures'])
  for (const record of [status.activeRun, status.lastRun, status.lastSuccess, status.lastFailure]) {
    if (record) checkRecord(record)
  }
  if (status.activeRun) assert.ok(['running', 'stuck'].includes(status.state), `${status.state} with an active run`)
  assert.equal('schedule' in status, 'policy' in status, 'a periodic worker has schedule and policy')
}

/** Asserts that no slot has two records. */
export function assertOneRecordPerSlot(records: readonly RunRecord[]): void {
  const slots = records.filter(isSlotRun).map(({ scheduledFor }) => scheduledFor.getTime())
  assert.deepEqual([...new Set(slots)], slots)
}

/** Asserts that a call is refused with this code, in a message that has all these words. */
export async function assertRefused(
  call: Promise<unknown> | (() => unknown),
  code: BackgroundWorkerErrorCode,
  ...words: readonly string[]
): Promise<void> {
  const refusal = await (typeof call === 'function' ? promiseOf(call) : call).then(
    (value) => assert.fail(`expected ${code}, but it was accepted and gave ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
  if (!BackgroundWorkerError.is(refusal)) throw refusal
  assert.equal(refusal.code, code, refusal.message)
  for (const word of words) assert.ok(refusal.message.includes(word), `"${word}" in "${refusal.message}"`)
}

/** A throw becomes a rejection. */
async function promiseOf(call: () => unknown): Promise<unknown> {
  return call()
}

function checkFields(
  what: string,
  value: object,
  fields: Readonly<Record<string, FieldCheck>>,
  required: readonly string[],
): void {
  for (const key of required) assert.ok(key in value, `a ${what} has ${key}`)
  for (const [key, field] of Object.entries(value)) {
    const check = fields[key]
    assert.ok(check, `a ${what} has no field "${key}"`)
    assert.ok(check(field), `${key} of a ${what} is ${JSON.stringify(field)}`)
  }
}
