import { isSlug, show } from './checks.ts'
import { InvalidWorkerError } from './errors.ts'
import type { IPeriodicBackgroundWorker } from './periodic-worker.ts'
import { type FilledPolicy, NO_POLICY, type PeriodicWorkerPolicy, checkDeclaredPolicy, fillPolicy } from './policy.ts'
import { type Schedule, checkSchedule } from './schedule.ts'
import type { ScheduleOverride } from './schedule-override.ts'

/** What a worker declares, read and checked once in `add`. Plain data. */
export type WorkerDefinition = PlainWorkerDefinition | PeriodicWorkerDefinition

/** Of a worker that only starts and stops. */
export interface PlainWorkerDefinition {
  readonly kind: 'plain'
  readonly name: string
}

/** Of a worker with a schedule. */
export interface PeriodicWorkerDefinition {
  readonly kind: 'periodic'
  readonly name: string
  readonly schedule: Schedule
  readonly policy: FilledPolicy
}

/** What a manager keeps of a worker that has a schedule. */
export type Periodic<Entry> = Entry & {
  readonly worker: IPeriodicBackgroundWorker
  readonly definition: PeriodicWorkerDefinition
}

/** Whether it is a worker with a schedule. */
export function isPeriodic<Entry extends { readonly definition: WorkerDefinition }>(
  entry: Entry,
): entry is Periodic<Entry> {
  return entry.definition.kind === 'periodic'
}

/** The schedule in force: the override, or what the code declares. */
export function effectiveSchedule(worker: {
  readonly definition: Pick<PeriodicWorkerDefinition, 'schedule'>
  readonly override?: ScheduleOverride | undefined
}): Schedule {
  return worker.override?.schedule ?? worker.definition.schedule
}

/** What of a manager a definition depends on. */
export interface DefinitionRules {
  readonly minPeriodMs: number
  readonly defaultPolicy: FilledPolicy
  /** The call that is told of in errors. @default 'add' */
  readonly call?: string
}

/**
 * Reads and checks what `add` was given, whatever that is.
 *
 * @throws InvalidWorkerError, InvalidScheduleError or InvalidOptionsError, naming the worker and the fix.
 */
export function defineWorker(worker: unknown, rules: DefinitionRules): WorkerDefinition {
  const { call = 'add' } = rules
  if (typeof worker !== 'object' || worker === null) {
    const hint =
      typeof worker === 'function' ? ' It is a class or function: pass an instance, as in new MyWorker().' : ''
    throw new InvalidWorkerError(`${call}: expected a worker, got ${show(worker)}.${hint}`)
  }
  const { name, start, stop, schedule, policy, doWork } = readParts(worker, call)
  const problem = name === undefined ? 'must be given.' : isSlug(name)
  if (problem !== undefined) throw new InvalidWorkerError(`${call}: a worker's name ${problem}`)
  const subject = `Worker "${name as string}"`
  const missing = typeof start !== 'function' ? 'start' : typeof stop !== 'function' ? 'stop' : undefined
  if (missing) throw new InvalidWorkerError(`${subject}: ${missing}() is missing. Extend BackgroundWorkerBase.`)
  if (doWork === undefined && schedule === undefined) return { kind: 'plain', name: name as string }
  if (typeof doWork !== 'function') throw new InvalidWorkerError(`${subject}: has a schedule but no doWork().`)
  return {
    kind: 'periodic',
    name: name as string,
    schedule: checkSchedule(schedule, subject, rules.minPeriodMs),
    policy: definePolicy(subject, policy, rules.defaultPolicy),
  }
}

function definePolicy(subject: string, policy: unknown, defaultPolicy: FilledPolicy): FilledPolicy {
  if (policy === undefined || policy === NO_POLICY) return defaultPolicy
  checkDeclaredPolicy(`${subject}: policy`, policy)
  return fillPolicy(policy as PeriodicWorkerPolicy, defaultPolicy)
}

/** A getter may throw; then the worker is refused like any other bad one. */
function readParts(worker: object, call: string): Partial<Record<keyof IPeriodicBackgroundWorker, unknown>> {
  try {
    const { name, start, stop, schedule, policy, doWork } = worker as Partial<
      Record<keyof IPeriodicBackgroundWorker, unknown>
    >
    return { name, start, stop, schedule, policy, doWork }
  } catch (cause) {
    throw new InvalidWorkerError(`${call}: a property of the worker throws when it is read.`, { cause })
  }
}
