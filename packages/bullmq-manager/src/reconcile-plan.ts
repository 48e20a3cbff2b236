import type { FilledPolicy, Schedule } from '@background-workers/abstractions'
import {
  type PeriodicWorkerDefinition,
  effectiveSchedule,
  isSameSchedule,
  nextDueAt,
} from '@background-workers/abstractions/for-managers'
import { DEAD_AFTER_MS, type Instance } from './instances.ts'
import { type TickScheduler, fingerprintOf, isForeign } from './schedulers.ts'
import type { Declaration } from './store.ts'
import { policyText } from './stored-values.ts'
import type { KnownWorker, StoredWorker } from './stored-worker.ts'

/** A worker that no instance in force has declared for so long is orphaned. */
const ORPHANED_AFTER_MS = DEAD_AFTER_MS

/** What a plan is made of: what Redis holds, and what this instance declares. Times by Redis, in ms. */
export interface ReconcileFacts {
  readonly now: number
  readonly instanceId: string
  readonly release: number
  readonly orphanGraceMs: number
  /** The periodic workers that were added here, and when. */
  readonly workers: readonly LocalWorker[]
  readonly stored: ReadonlyMap<string, StoredWorker>
  readonly ticks: ReadonlyMap<string, TickScheduler>
  /** All instances that have a heartbeat, dead ones too. */
  readonly instances: readonly Instance[]
  readonly live: readonly Instance[]
  /** The highest live release; its instances declare what is in force. */
  readonly releaseInForce: number
  /** The names of the workers that live instances of the release in force declare. */
  readonly declared: Pick<ReadonlySet<string>, 'has'>
  /** Since when a stored worker has been declared by none of them. */
  readonly missingSince: ReadonlyMap<string, number>
  /** Whether marks and due times may be ahead of the clock; to look takes about 0.1 ms for each cron worker. */
  readonly mayBeAhead: boolean
}

interface LocalWorker {
  readonly definition: PeriodicWorkerDefinition
  readonly declaredAt: number
}

/** What has to be written. Nothing of it has been. */
export interface ReconcilePlan {
  readonly declarations: readonly Declaration[]
  readonly orphans: readonly string[]
  /** Their grace is over: they are deleted with their records. */
  readonly expired: readonly string[]
  readonly deadInstances: readonly string[]
  readonly writes: readonly SchedulerWrite[]
  readonly removals: readonly string[]
  /** Their marks are ahead of the clock. */
  readonly markRepairs: readonly string[]
  /** Their scheduler was gone, or had no pending job. */
  readonly restored: readonly string[]
}

interface SchedulerWrite {
  readonly name: string
  readonly schedule: Schedule
  readonly isNew: boolean
}

/** What was found besides. */
export interface ReconcileFindings {
  readonly plan: ReconcilePlan
  readonly missingSince: Map<string, number>
  /** Schedulers of the same name that are not ours; they are left alone. */
  readonly foreign: readonly string[]
}

/** Compares what Redis holds with what the code declares. Pure. */
export function planReconcile(facts: ReconcileFacts): ReconcileFindings {
  const { stored, declared, now, orphanGraceMs } = facts
  const declarations = planDeclarations(facts)
  const isDeclared = (name: string) =>
    declared.has(name) || declarations.some((declaration) => declaration.name === name)
  const missingSince = new Map<string, number>()
  const orphans: string[] = []
  const expired: string[] = []
  for (const { name, definition, orphanedAt, removedAt } of stored.values()) {
    if (isDeclared(name)) continue
    const goneAt = removedAt ?? orphanedAt
    if (goneAt !== undefined) {
      if (now - goneAt > orphanGraceMs) expired.push(name)
    } else if (definition) {
      const since = facts.missingSince.get(name) ?? now
      missingSince.set(name, since)
      if (now - since >= ORPHANED_AFTER_MS) orphans.push(name)
    }
  }
  const isLive = ({ instanceId }: Instance) => facts.live.some((one) => one.instanceId === instanceId)
  const deadInstances = facts.instances
    .filter((instance) => now - instance.lastSeenAt > 10 * DEAD_AFTER_MS && !isLive(instance))
    .map(({ instanceId }) => instanceId)
  const { foreign, ...schedulers } = planSchedulers(facts, declarations, new Set([...orphans, ...expired]))
  return { plan: { declarations, orphans, expired, deadInstances, ...schedulers }, missingSince, foreign }
}

/** Whether everything is in place. */
export function isNothing(plan: ReconcilePlan): boolean {
  return Object.values(plan).every((list: readonly unknown[]) => list.length === 0)
}

/** What instances say of one time may differ by so much: as long as Redis takes, at most, to tell one of them the time. */
const DATING_SLACK_MS = 10_000

/**
 * Whether a worker was removed after it was declared; within one ms it can only have been declared after. What is dated ahead of
 * the clock is from before the clock was set back, and so it came before all that is not.
 */
export function isRemovedSince(declaredAt: number, removedAt: number, now: number): boolean {
  const isAhead = (at: number) => at > now + DATING_SLACK_MS
  if (isAhead(declaredAt) !== isAhead(removedAt)) return isAhead(declaredAt)
  return removedAt > declaredAt
}

/** What this instance has to write about its workers; nothing while a higher release is in force. */
function planDeclarations(facts: ReconcileFacts): Declaration[] {
  if (facts.release < facts.releaseInForce) return []
  const declarations: Declaration[] = []
  for (const worker of facts.workers) {
    const declaration = declare(worker, facts, declarations.length)
    if (declaration) declarations.push(declaration)
  }
  return declarations
}

function declare(
  { definition, declaredAt }: LocalWorker,
  facts: ReconcileFacts,
  order: number,
): Declaration | undefined {
  const { now, release, instanceId, live } = facts
  const { name, schedule, policy } = definition
  const stored = facts.stored.get(name)
  const { removedAt, orphanedAt, definition: before } = stored ?? {}
  // A tombstone is cleared only by an add that came after it.
  if (removedAt !== undefined && isRemovedSince(declaredAt, removedAt, now)) return undefined
  const isBack = orphanedAt !== undefined || removedAt !== undefined
  const isChanged = !before || isBack || !isSameSchedule(before.schedule, schedule)
  if (before && !isBack) {
    // The same code is left as it is, whoever declared it: only what differs is written.
    if (!isChanged && isSamePolicy(before.policy, policy)) return undefined
    // Of two live instances of one release the one that started later wins; of two that did in one ms always the same.
    const owner = live.find((instance) => instance.instanceId === before.instanceId && instance.release === release)
    const isLater = before.declaredAt === declaredAt ? before.instanceId > instanceId : before.declaredAt > declaredAt
    if (owner && isLater) return undefined
  }
  const since = before?.since ?? now
  const place = before?.order ?? order
  return {
    name,
    definition: { schedule, policy, release, declaredAt, instanceId, since, order: place },
    decidedUpTo: isChanged ? now : undefined,
    dropsOverride: isOverridden(stored, schedule),
  }
}

function isSamePolicy(one: FilledPolicy, other: FilledPolicy): boolean {
  return one === other || policyText(one) === policyText(other)
}

/** Changed code drops an override. */
function isOverridden(stored: StoredWorker | undefined, declared: Schedule): boolean {
  if (!stored?.override || !stored.definition) return false
  return !isSameSchedule(stored.definition.schedule, declared)
}

function planSchedulers(facts: ReconcileFacts, declarations: readonly Declaration[], gone: ReadonlySet<string>) {
  const { stored, ticks, now, mayBeAhead, declared } = facts
  const declaring = new Map(declarations.map((declaration) => [declaration.name, declaration]))
  const writes: SchedulerWrite[] = []
  const markRepairs: string[] = []
  const restored: string[] = []
  const foreign: string[] = []
  let unwanted = ticks.size

  /** Whether a worker is to have ticks by what is stored of it. */
  const isWanted = ({ name, definition, orphanedAt, removedAt }: StoredWorker): boolean => {
    const isGone = gone.has(name) || removedAt !== undefined || (orphanedAt !== undefined && !declared.has(name))
    return definition !== undefined && !isGone
  }
  const planScheduler = (name: string, schedule: Schedule, worker: Partial<StoredWorker> = {}) => {
    const tick = ticks.get(name)
    if (tick) unwanted--
    if (tick && isForeign(tick)) {
      foreign.push(name)
      return
    }
    const { decidedUpTo, startedUpTo, definition, orphanedAt } = worker
    const isAhead = (at: number | undefined) => mayBeAhead && isTooFarAhead(schedule, name, at, now)
    const isTickAhead = isAhead(tick?.nextAt)
    if (isTickAhead || isAhead(decidedUpTo) || isAhead(startedUpTo)) markRepairs.push(name)
    const isExpected = definition !== undefined && orphanedAt === undefined
    const isBroken = tick ? !tick.hasPendingJob : isExpected
    if (isBroken) restored.push(name)
    const isInPlace = tick && !isTickAhead && !isBroken && tick.fingerprint === fingerprintOf(name, schedule)
    if (!isInPlace) writes.push({ name, schedule, isNew: tick === undefined })
  }
  for (const worker of stored.values()) {
    if (isWanted(worker) && !declaring.has(worker.name)) {
      planScheduler(worker.name, effectiveSchedule(worker as KnownWorker), worker)
    }
  }
  for (const { name, definition, dropsOverride } of declarations) {
    const worker = stored.get(name)
    planScheduler(
      name,
      effectiveSchedule({ definition, override: dropsOverride ? undefined : worker?.override }),
      worker,
    )
  }
  const isUnwanted = ({ id, fingerprint }: TickScheduler) => {
    const worker = stored.get(id)
    return fingerprint !== undefined && !declaring.has(id) && !(worker && isWanted(worker))
  }
  const removals = unwanted === 0 ? [] : [...ticks.values()].filter(isUnwanted).map(({ id }) => id)
  return { writes, removals, markRepairs, restored, foreign }
}

/** BullMQ goes by the clocks of the machines, so what it writes may be so far ahead of Redis without harm. */
const MAX_SKEW_AHEAD_MS = 60_000

/** More than one slot ahead of what the schedule says: a clock was set back, and the worker would be silent. */
function isTooFarAhead(schedule: Schedule, name: string, at: number | undefined, now: number): boolean {
  if (at === undefined || at <= now) return false
  const next = nextDueAt(schedule, now, name)
  if (next === undefined || at <= next) return false
  const afterNext = nextDueAt(schedule, next, name)
  return afterNext !== undefined && at > afterNext + MAX_SKEW_AHEAD_MS
}
