import { randomUUID } from 'node:crypto'
import type { EventHub, GuardedLogger, HealthMonitor } from '@background-workers/abstractions/for-managers'
import type { RedisClient } from './connection.ts'
import { type Beat, type Instance, type Instances, liveInstances, releaseInForce } from './instances.ts'
import type { Keys } from './keys.ts'
import { type ManagedWorker, isPeriodic } from './managed-worker.ts'
import type { FilledOptions } from './options.ts'
import type { RedisClock } from './redis-clock.ts'
import { type ReconcilePlan, isNothing, planReconcile } from './reconcile-plan.ts'
import type { TickScheduler, TickSchedulers } from './schedulers.ts'
import { releaseLock } from './scripts.ts'
import type { Store } from './store.ts'
import type { StoredDefinition, StoredWorker } from './stored-worker.ts'
import { firstUndecided, isOverdue } from './worker-status.ts'

/** How often an instance says that it lives and looks for what has changed. */
export const BEAT_MS = 10_000

/** Nothing has changed for so long: look at everything all the same. */
const QUIET_MS = 300_000

/** A clock that differs from Redis by more than this degrades health. */
const MAX_SKEW_MS = 1_000

const WRITE_LOCK_MS = 10_000
const WRITES_AT_A_TIME = 25

/** What a reconciler needs of its session, and tells it. */
export interface ReconcilerParts {
  readonly options: FilledOptions
  readonly instanceId: string
  readonly client: RedisClient
  readonly keys: Keys
  readonly clock: RedisClock
  readonly store: Store
  readonly schedulers: TickSchedulers
  readonly instances: Instances
  readonly events: EventHub
  readonly health: HealthMonitor
  readonly logger: GuardedLogger
  /** The workers that were added here. */
  readonly entries: ReadonlyMap<string, ManagedWorker>
  /** A worker was removed on another instance. */
  readonly dropWorker: (name: string) => void
  /** The tick of a slot was lost, as when Redis refused it again and again: decide it all the same. */
  readonly decideOverdue: (worker: string, dueAt: number) => void
  /** A worker is paused: runs that wait for their retry end. */
  readonly workerPaused: (name: string) => void
}

/**
 * Keeps Redis in step with the code, and this instance in step with Redis: compares first and writes only what differs,
 * one instance at a time. A boot that changes nothing writes nothing but its heartbeat.
 */
export class Reconciler {
  readonly #parts: ReconcilerParts
  /** The last that was read; what is restored into a Redis that was emptied. */
  #known = new Map<string, StoredWorker>()
  #live: readonly Instance[] = []
  #seen = ''
  #checkedAt = Number.NEGATIVE_INFINITY
  #startedAt = 0
  #namesVersion = 0
  #writtenNamesVersion = -1
  #isStale = true
  #checksUnderWay = 0
  #missingSince: ReadonlyMap<string, number> = new Map()
  #mayBeAhead = false
  #lastNow = 0
  #beats = 0

  constructor(parts: ReconcilerParts) {
    this.#parts = parts
  }

  get live(): readonly Instance[] {
    return this.#live
  }

  /** A worker was added or removed here. */
  noteNamesChanged(): void {
    this.#namesVersion++
    this.#isStale = true
  }

  /** The next beat looks at everything. */
  noteStale(): void {
    this.#isStale = true
  }

  /** Starts anew: the grace of 30 s for workers that nobody declares counts from here. */
  async start(): Promise<void> {
    const { clock, client } = this.#parts
    await clock.measure(client)
    this.#startedAt = clock.now()
    this.#writtenNamesVersion = -1
    this.#missingSince = new Map()
    this.#mayBeAhead = false
    this.#lastNow = 0
    this.#beats = 0
    this.#checkedAt = performance.now()
    this.#isStale = true
    for (const entry of this.#parts.entries.values()) entry.declaredAt = this.#startedAt
    await this.beat()
  }

  /** Whether another live instance that takes this queue has the worker. */
  async isDeclaredElsewhere(worker: string, queue: string): Promise<boolean> {
    const { instances, instanceId } = this.#parts
    const others = (await this.look()).filter(
      (other) => other.instanceId !== instanceId && other.queues.includes(queue),
    )
    return (await instances.readNames(others)).has(worker)
  }

  /** Which instances live now; between two beats that may have changed. Writes nothing. */
  async look(): Promise<readonly Instance[]> {
    const { instances, clock } = this.#parts
    const beat = await instances.beat(undefined)
    return liveInstances(beat.instances, clock.now())
  }

  /** One heartbeat, and a full check if anything differs from what was seen before. */
  async beat(): Promise<Beat> {
    const { instances, clock, options, health } = this.#parts
    const askedAt = performance.now()
    if (options.isEnabled && this.#writtenNamesVersion !== this.#namesVersion) {
      const version = this.#namesVersion
      await instances.writeNames([...this.#parts.entries.keys()])
      this.#writtenNamesVersion = version
    }
    const beat = await instances.beat(options.isEnabled ? this.#description() : undefined)
    if (!beat.hasNames) this.#writtenNamesVersion = -1
    clock.note(beat.time, askedAt)
    this.#noteTime(clock.now())
    this.#live = liveInstances(beat.instances, clock.now())
    const skewMs = Math.round(clock.skewMs)
    if (Math.abs(skewMs) > MAX_SKEW_MS) {
      health.add({ code: 'clock-skew', message: `The clock of this machine is ${skewMs} ms ahead of Redis.` })
    } else health.clear('clock-skew')
    if (options.isEnabled && this.#mustCheck(beat)) await this.#check(beat)
    return beat
  }

  /** Leaves no heartbeat behind. */
  async leave(): Promise<void> {
    await this.#parts.instances.forget([this.#parts.instanceId])
  }

  #description() {
    const { options, clock } = this.#parts
    return {
      release: options.release,
      queues: options.queues,
      startedAt: this.#startedAt,
      namesVersion: this.#namesVersion,
      skewMs: Math.round(clock.skewMs),
    }
  }

  /** Due times may be ahead of a clock that went back: while nobody ran (so the second beat looks), or just now. */
  #noteTime(now: number): void {
    const wentBack = now < this.#lastNow - MAX_SKEW_MS
    if (wentBack || this.#beats === 1 || performance.now() - this.#checkedAt > QUIET_MS) this.#mayBeAhead = true
    if (this.#mayBeAhead) this.#isStale = true
    this.#lastNow = now
    this.#beats++
  }

  #mustCheck(beat: Beat): boolean {
    const now = this.#parts.clock.now()
    const isOverdue = beat.firstNextAt !== undefined && beat.firstNextAt < now - BEAT_MS
    const instances = this.#live.map(
      ({ instanceId, release, namesVersion }) => `${instanceId} ${release} ${namesVersion}`,
    )
    const seen = [beat.version, beat.schedulerCount, ...instances.sort()].join('\n')
    const isDifferent = seen !== this.#seen
    this.#seen = seen
    return (
      this.#isStale ||
      isDifferent ||
      isOverdue ||
      this.#missingSince.size > 0 ||
      this.#parts.health.reasons.some(({ code }) => code === 'overdue')
    )
  }

  async #check(beat: Beat): Promise<void> {
    const { store, schedulers } = this.#parts
    // What changes from here on is for the next check.
    this.#isStale = false
    this.#checksUnderWay++
    let isDone = false
    try {
      isDone = await this.#compareAndWrite(store, schedulers, beat)
    } finally {
      this.#checksUnderWay--
      if (!isDone) this.#isStale = true
    }
  }

  /** Gives `false` when something is still to be written. */
  async #compareAndWrite(store: Store, schedulers: TickSchedulers, beat: Beat): Promise<boolean> {
    const mayBeAhead = this.#mayBeAhead
    let stored = await store.readAll()
    let ticks = await schedulers.readAll()
    const plan = await this.#plan(stored, ticks, beat, mayBeAhead)
    if (isEmptied(stored, this.#known) || !isNothing(plan)) {
      let isWritten = false
      const hadLock = await this.#withWriteLock(async () => {
        // Read again: whoever had the lock before may have done it all.
        stored = await store.readAll()
        ticks = await schedulers.readAll()
        const mustRestore = isEmptied(stored, this.#known)
        if (mustRestore) stored = await this.#restore(ticks.size)
        const found = await this.#plan(stored, ticks, beat, mayBeAhead)
        // What was restored has been announced.
        isWritten = await this.#carryOut(mustRestore ? { ...found, restored: [] } : found, stored)
      })
      if (!hadLock || !isWritten) return false
      stored = await store.readAll()
    }
    this.#known = stored
    this.#checkedAt = performance.now()
    if (mayBeAhead) this.#mayBeAhead = false
    this.#dropRemoved(stored)
    this.#noteOrphans(stored)
    this.#noteOverdue(stored)
    this.#noteFailing(stored)
    for (const { name, paused } of stored.values()) if (paused) this.#parts.workerPaused(name)
    return true
  }

  /** What has to be written, worked out without writing. */
  async #plan(
    stored: ReadonlyMap<string, StoredWorker>,
    ticks: ReadonlyMap<string, TickScheduler>,
    beat: Beat,
    mayBeAhead: boolean,
  ): Promise<ReconcilePlan> {
    const { clock, options, instances, entries, instanceId } = this.#parts
    const inForce = releaseInForce(this.#live) ?? options.release
    const declared = await instances.readNames(this.#live.filter(({ release }) => release === inForce))
    const workers = [...entries.values()].filter(isPeriodic)
    if (options.release >= inForce) for (const { definition } of workers) declared.add(definition.name)
    const { plan, missingSince, foreign } = planReconcile({
      now: clock.now(),
      instanceId,
      release: options.release,
      orphanGraceMs: options.orphanGraceMs,
      workers: workers.map(({ definition, declaredAt }) => ({ definition, declaredAt: declaredAt ?? this.#startedAt })),
      stored,
      ticks,
      instances: beat.instances,
      live: this.#live,
      releaseInForce: inForce,
      declared,
      missingSince: this.#missingSince,
      mayBeAhead,
    })
    this.#missingSince = missingSince
    for (const worker of foreign) {
      const message = 'a job scheduler of that name is not ours, it is left alone and the worker has no ticks'
      this.#parts.logger.warn({ worker }, message)
    }
    return plan
  }

  /** Gives `false` when BullMQ refused to write a scheduler; the next check tries again. */
  async #carryOut(plan: ReconcilePlan, stored: ReadonlyMap<string, StoredWorker>): Promise<boolean> {
    const { store, schedulers, instances, clock, events, logger } = this.#parts
    await store.declare(plan.declarations)
    for (const name of plan.orphans) await store.setOrphaned(name, clock.now())
    for (const name of plan.markRepairs) await store.setMarksBack(name, clock.now())
    let isWritten = true
    await inBatches(plan.writes, async ({ name, schedule, isNew }) => {
      try {
        await schedulers.write(name, schedule, isNew)
      } catch (err) {
        // What Redis itself refuses (no right, no room) it refuses again.
        if (err instanceof Error && err.name === 'ReplyError') throw err
        isWritten = false
        logger.warn({ err, worker: name }, 'a schedule could not be written, it will be written again')
      }
    })
    await inBatches(plan.removals, (name) => schedulers.remove(name))
    for (const name of plan.expired) await store.delete(name)
    await instances.forget(plan.deadInstances)
    for (const { name, definition, dropsOverride } of plan.declarations) {
      const override = stored.get(name)?.override
      if (!dropsOverride || !override) continue
      logger.warn({ worker: name }, 'the declared schedule has changed, the override is dropped')
      events.emit('override-dropped', { worker: name, override: override.schedule, declared: definition.schedule })
    }
    this.#announceRepairs(plan.markRepairs, 'schedules were ahead of the clock: they go on from now')
    this.#announceRepairs(plan.restored, 'schedules had lost their pending job: they go on')
    for (const name of plan.expired) logger.warn({ worker: name }, 'orphaned worker deleted with its records')
    return isWritten
  }

  #announceRepairs(workers: readonly string[], message: string): void {
    if (workers.length === 0) return
    this.#parts.logger.warn({ workers: workers.length }, message)
    this.#parts.events.emit('schedules-repaired', { workers, message })
  }

  /** Redis was emptied while we run: what is known here goes back; its history is gone. */
  async #restore(found: number): Promise<Map<string, StoredWorker>> {
    const { store, clock, logger, events } = this.#parts
    const now = clock.now()
    const workers = [...this.#known.values()].filter(
      ({ definition, removedAt }) => definition && removedAt === undefined,
    )
    await store.declare(
      workers.map(({ name, definition }) => ({
        name,
        definition: definition as StoredDefinition,
        decidedUpTo: now,
        dropsOverride: false,
      })),
    )
    for (const { name, override, paused } of workers) {
      if (override) await store.setOverride(name, override, now)
      if (paused) await store.setPause(name, paused)
    }
    const message = `expected ${workers.length} schedules, found ${found}: Redis was emptied. Schedules, overrides and pauses are restored; records are gone.`
    logger.error({ workers: workers.length, found }, message)
    events.emit('schedules-repaired', { workers: workers.map(({ name }) => name), message })
    return store.readAll()
  }

  #dropRemoved(stored: ReadonlyMap<string, StoredWorker>): void {
    for (const [name, entry] of this.#parts.entries) {
      const removedAt = stored.get(name)?.removedAt
      if (removedAt !== undefined && removedAt > (entry.declaredAt ?? this.#startedAt)) this.#parts.dropWorker(name)
    }
  }

  #noteOrphans(stored: ReadonlyMap<string, StoredWorker>): void {
    const { health, events, logger } = this.#parts
    for (const { name, orphanedAt } of stored.values()) {
      if (orphanedAt !== undefined || this.#parts.entries.has(name)) health.clear('no-handler', name)
      if (orphanedAt === undefined) {
        health.clear('orphaned', name)
        continue
      }
      if (
        !health.add({
          worker: name,
          code: 'orphaned',
          message: `Worker "${name}" is declared by no live instance of the release in force.`,
        })
      )
        continue
      logger.warn({ worker: name }, 'worker is orphaned: no live instance of the release in force declares it')
      events.emit('worker-orphaned', { worker: name })
    }
    for (const { code, worker } of health.reasons) {
      if (code === 'orphaned' && worker !== undefined && !stored.has(worker)) health.clear('orphaned', worker)
    }
  }

  /** A worker that failed again and again here may have succeeded elsewhere since, or be gone. */
  #noteFailing(stored: ReadonlyMap<string, StoredWorker>): void {
    const { health } = this.#parts
    for (const { code, worker } of health.reasons) {
      if (code !== 'failing' || worker === undefined) continue
      const { definition, consecutiveFailures } = stored.get(worker) ?? {}
      health.noteFailures(worker, definition ? (consecutiveFailures ?? 0) : 0)
    }
  }

  /** A slot that nobody decides: no instance takes the ticks, or none can. */
  #noteOverdue(stored: ReadonlyMap<string, StoredWorker>): void {
    const { clock, health, events, logger } = this.#parts
    const now = clock.now()
    if (this.isSettlingIn) return
    for (const worker of stored.values()) {
      const { name, decidedUpTo } = worker
      if (!isOverdue(worker, now)) {
        if (health.clear('overdue', name)) events.emit('worker-recovered', { worker: name })
        continue
      }
      this.#parts.decideOverdue(name, firstUndecided(worker)?.getTime() ?? now)
      const message = `Worker "${name}" has a slot that nobody has decided.`
      if (!health.add({ worker: name, code: 'overdue', message })) continue
      logger.error(
        { worker: name, decidedUpTo: new Date(decidedUpTo ?? now) },
        'worker is overdue: nobody decides its slots',
      )
      events.emit('worker-overdue', { worker: name, dueAt: firstUndecided(worker) ?? new Date(now) })
    }
  }

  /** Gives `false` when another instance is writing; the next beat looks again. */
  async #withWriteLock(work: () => Promise<void>): Promise<boolean> {
    const { client, keys } = this.#parts
    const token = randomUUID()
    const isSet = (await client.set(keys.writeLock, token, 'PX', WRITE_LOCK_MS, 'NX')) === 'OK'
    // It is ours all the same when the connection broke before the answer, and the client asked again.
    if (!isSet && (await client.get(keys.writeLock)) !== token) return false
    const renewal = setInterval(() => {
      client.pexpire(keys.writeLock, WRITE_LOCK_MS).catch(() => {})
    }, WRITE_LOCK_MS / 3)
    try {
      await work()
    } finally {
      clearInterval(renewal)
      await releaseLock.run(client, [keys.writeLock], [token])
    }
    return true
  }

  /** Just started: what came due while nobody ran is being decided, and is no reason to worry. */
  get isSettlingIn(): boolean {
    const { options, clock } = this.#parts
    return options.isEnabled && clock.now() - this.#startedAt < 2 * BEAT_MS
  }

  /** Whether everything that this instance declares is in place. */
  get isSettled(): boolean {
    return (!this.#isStale && this.#checksUnderWay === 0) || !this.#parts.options.isEnabled
  }
}

/** Nothing is left of the workers that were there: Redis was emptied. One that was removed leaves a tombstone. */
function isEmptied(stored: ReadonlyMap<string, StoredWorker>, known: ReadonlyMap<string, StoredWorker>): boolean {
  const isInForce = ({ definition, removedAt, orphanedAt }: StoredWorker) =>
    definition !== undefined && removedAt === undefined && orphanedAt === undefined
  return (
    [...known.values()].some(isInForce) &&
    [...stored.values()].every(({ definition, removedAt }) => definition === undefined && removedAt === undefined)
  )
}

async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let index = 0; index < items.length; index += WRITES_AT_A_TIME) {
    await Promise.all(items.slice(index, index + WRITES_AT_A_TIME).map(work))
  }
}
