import { type HealthMonitor, isPeriodic } from '@background-workers/abstractions/for-managers'
import { type RestoreParts, lostWorkers, restoreWorkers } from './emptied-redis.ts'
import type { RedisClient } from './redis-client.ts'
import { type Beat, type Instance, releaseInForce } from './instances.ts'
import type { Keys } from './keys.ts'
import { LiveInstances } from './live-instances.ts'
import type { ManagedPeriodicWorker, ManagedWorker } from './managed-worker.ts'
import type { FilledOptions } from './options.ts'
import { type ReconcilePlan, isNothing, isRemovedSince, planReconcile } from './reconcile-plan.ts'
import type { TickScheduler } from './schedulers.ts'
import { noteDeclared } from './stored-values.ts'
import { type KnownVersion, type StoredWorker, type StoredWorkers, isKnown } from './stored-worker.ts'
import type { WorkerWatch } from './worker-watch.ts'
import { withWriteLock } from './write-lock.ts'
import { type WritePlanParts, writePlan } from './write-plan.ts'

// From before a test has faked it: a start waits for it.
const { setImmediate } = globalThis

/** How often an instance says that it lives and looks for what has changed. */
export const BEAT_MS = 10_000

/** So long after everything was looked at, marks that may be ahead of the clock too, it is looked at again. */
const CHECK_ALL_MS = 300_000

/** A clock that differs from Redis by more than this degrades health. */
const MAX_SKEW_MS = 1_000

/** What a reconciler needs of its session, and tells it. */
export interface ReconcilerParts extends WritePlanParts, RestoreParts {
  readonly options: FilledOptions
  readonly instanceId: string
  readonly client: RedisClient
  readonly keys: Keys
  readonly health: HealthMonitor
  readonly watch: WorkerWatch
  /** The workers that were added here. */
  readonly entries: ReadonlyMap<string, ManagedWorker>
  /** A worker was removed on another instance. */
  dropWorker(name: string): void
  /** A worker is paused: runs that wait for their retry end. */
  workerPaused(name: string, since: Date): void
}

/**
 * Keeps Redis in step with the code, and this instance in step with Redis: compares first and writes only what differs,
 * one instance at a time. A boot that changes nothing writes nothing but its heartbeat.
 */
export class Reconciler {
  readonly #parts: ReconcilerParts
  /** The last that was read; what is restored into a Redis that was emptied. */
  #known: StoredWorkers = { version: '', workers: new Map() }
  readonly #live = new LiveInstances()
  #seen = ''
  #checkedAllAt = Number.NEGATIVE_INFINITY
  #startedAt = 0
  #settlesInUntil = 0
  #namesVersion = 0
  #writtenNamesVersion = -1
  #isStale = true
  #checksUnderWay = 0
  #missingSince: ReadonlyMap<string, number> = new Map()
  #mayBeAhead = false
  #lastNow = 0
  #beats = 0
  #hasLeft = false

  constructor(parts: ReconcilerParts) {
    this.#parts = parts
  }

  /** The instances that live, as the last heartbeat saw them. */
  get live(): readonly Instance[] {
    return this.#live.all
  }

  /** Just started: what came due while nobody ran is being decided, and is no reason to worry. */
  get isSettlingIn(): boolean {
    return this.#parts.options.isEnabled && performance.now() < this.#settlesInUntil
  }

  /** Whether everything that this instance declares is in place. */
  get isSettled(): boolean {
    return (!this.#isStale && this.#checksUnderWay === 0) || !this.#parts.options.isEnabled
  }

  /** What was read of a worker last, unless it is paused, orphaned or removed. */
  known(name: string): KnownVersion | undefined {
    const { version, workers } = this.#known
    const worker = workers.get(name)
    if (!worker || !isKnown(worker) || worker.paused || worker.orphanedAt !== undefined) return undefined
    return { worker, version }
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

  /** Starts, by a clock that has been measured: the grace of 30 s for workers that nobody declares counts from here. */
  async start(): Promise<void> {
    this.#startedAt = this.#parts.clock.now()
    this.#settlesInUntil = performance.now() + 2 * BEAT_MS
    this.#checkedAllAt = performance.now()
    for (const entry of this.#parts.entries.values()) {
      entry.declaredAt = this.#startedAt
      if (isPeriodic(entry)) noteDeclared(entry.definition)
    }
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
    return this.#live.among(beat.instances, clock.now())
  }

  /** One heartbeat, and a full check if anything differs from what was seen before. */
  async beat(): Promise<Beat> {
    const { instances, clock, health, client, entries } = this.#parts
    const asked = clock.asking()
    const version = this.#namesVersion
    const beat = this.#isDeclaring
      ? await instances.beat(
          this.#description(),
          version === this.#writtenNamesVersion ? undefined : [...entries.keys()],
        )
      : await instances.beat(undefined)
    this.#writtenNamesVersion = beat.hasNames ? version : -1
    clock.note(beat.time, asked)
    await clock.measureIfDoubtful(client)
    this.#dateAdded()
    this.#noteTime(clock.now())
    this.#live.note(beat.instances, clock.now(), this.#isDeclaring && !beat.hasNames)
    const skewMs = Math.round(clock.skewMs)
    if (Math.abs(skewMs) > MAX_SKEW_MS) this.#noteSkew(skewMs)
    else health.clear('clock-skew')
    if (this.#isDeclaring && this.#mustCheck(beat)) await this.#check(beat)
    return beat
  }

  /** Leaves no heartbeat behind; a beat that was given up, and goes on by itself on the caller's client, writes none any more. */
  async leave(): Promise<void> {
    this.#hasLeft = true
    await this.#parts.instances.forget([this.#parts.instanceId])
  }

  /** By a clock that has just been measured: for what is dated ahead of it any tombstone counts as a later one. */
  #dateAdded(): void {
    const now = this.#parts.clock.now()
    for (const entry of this.#parts.entries.values()) entry.declaredAt ??= now
  }

  get #isDeclaring(): boolean {
    return this.#parts.options.isEnabled && !this.#hasLeft
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

  #noteSkew(skewMs: number): void {
    const { health, logger } = this.#parts
    const message = `The clock of this machine is ${Math.abs(skewMs)} ms ${skewMs > 0 ? 'ahead of' : 'behind'} that of Redis.`
    if (!health.add({ code: 'clock-skew', message })) return
    logger.warn({ skewMs }, 'the clock of this machine differs from that of Redis, which is the one that counts')
  }

  /** Due times may be ahead of a clock that went back: while nobody ran (so the second beat looks), or just now. */
  #noteTime(now: number): void {
    const wentBack = now < this.#lastNow - MAX_SKEW_MS
    if (wentBack || this.#beats === 1 || performance.now() - this.#checkedAllAt > CHECK_ALL_MS) this.#mayBeAhead = true
    if (this.#mayBeAhead) this.#isStale = true
    this.#lastNow = now
    this.#beats++
  }

  #mustCheck(beat: Beat): boolean {
    const now = this.#parts.clock.now()
    const isOverdue = beat.firstNextAt !== undefined && beat.firstNextAt < now - BEAT_MS
    const instances = this.live.map(
      ({ instanceId, release, namesVersion }) => `${instanceId} ${release} ${namesVersion}`,
    )
    const seen = [beat.version, beat.schedulerCount, ...instances.sort()].join('\n')
    const isDifferent = seen !== this.#seen
    this.#seen = seen
    return this.#isStale || isDifferent || isOverdue || this.#missingSince.size > 0 || this.#parts.watch.knowsOverdue
  }

  async #check(beat: Beat): Promise<void> {
    // What changes from here on is for the next check.
    this.#isStale = false
    this.#checksUnderWay++
    let isDone = false
    try {
      isDone = await this.#compareAndWrite(beat)
    } finally {
      this.#checksUnderWay--
      if (!isDone) this.#isStale = true
    }
  }

  /** Gives `false` when something is still to be written. */
  async #compareAndWrite(beat: Beat): Promise<boolean> {
    const { store, client, keys, watch } = this.#parts
    const mayBeAhead = this.#mayBeAhead
    const readAt = performance.now()
    let { stored, ticks } = await this.#readAll()
    const plan = await this.#plan(stored.workers, ticks, beat, mayBeAhead)
    if (lostWorkers(stored, this.#known, this.#parts.clock.now()).length > 0 || !isNothing(plan)) {
      let isWritten = false
      const hadLock = await withWriteLock(client, keys, async (lockToken) => {
        // Read again: whoever had the lock before may have done it all.
        ;({ stored, ticks } = await this.#readAll())
        if (this.#hasLeft) return
        const lost = lostWorkers(stored, this.#known, this.#parts.clock.now())
        if (lost.length > 0) {
          const expected = [...this.#known.workers.values()].filter(isKnown).length
          if (!(await restoreWorkers(lost, expected, lockToken, this.#parts))) return
          stored = await store.readAll()
        }
        const found = await this.#plan(stored.workers, ticks, beat, mayBeAhead)
        // What was restored has been announced.
        const toWrite = lost.length > 0 ? { ...found, restored: [] } : found
        isWritten = await writePlan(toWrite, stored.workers, lockToken, this.#parts)
      })
      if (!hadLock || !isWritten) return false
      stored = await store.readAll()
      // Redis may have been emptied meanwhile: the next beat restores what is known still.
      if (lostWorkers(stored, this.#known, this.#parts.clock.now()).length > 0) return false
    }
    this.#known = stored
    if (mayBeAhead) {
      this.#mayBeAhead = false
      this.#checkedAllAt = performance.now()
    }
    const { workers } = stored
    this.#dropRemoved(workers)
    watch.look({ stored: workers, readAt, live: this.live, isSettlingIn: this.isSettlingIn })
    for (const { name, paused } of workers.values()) if (paused) this.#parts.workerPaused(name, paused.since)
    return true
  }

  /**
   * Redis reads the schedulers while the workers are made of what it has read before. Asked for both at once it gives no answer
   * until it has read both: of 10,000 workers, 45 ms later.
   */
  async #readAll() {
    const { store, schedulers } = this.#parts
    const fields = await store.readFields()
    const reading = schedulers.readAll()
    // The command goes out with the end of this turn.
    const turnEnded = new Promise<void>((resolve) => setImmediate(resolve))
    const workersMade = turnEnded.then(() => store.workersOf(fields))
    const [ticks, stored] = await Promise.all([reading, workersMade])
    return { stored, ticks }
  }

  /** What has to be written, worked out without writing. */
  async #plan(
    stored: ReadonlyMap<string, StoredWorker>,
    ticks: ReadonlyMap<string, TickScheduler>,
    beat: Beat,
    mayBeAhead: boolean,
  ): Promise<ReconcilePlan> {
    const { clock, options, instances, entries, instanceId } = this.#parts
    const inForce = releaseInForce(this.live) ?? options.release
    const others = this.live.filter((other) => other.release === inForce && other.instanceId !== instanceId)
    const elsewhere = await instances.readNames(others)
    const isDeclaring = options.release >= inForce
    const declared = { has: (name: string) => (isDeclaring && entries.has(name)) || elsewhere.has(name) }
    // What was added since this beat began is for the next one.
    const workers = [...entries.values()].filter(isPeriodic).filter(isDated)
    const { plan, missingSince, foreign } = planReconcile({
      now: clock.now(),
      instanceId,
      release: options.release,
      orphanGraceMs: options.orphanGraceMs,
      workers,
      stored,
      ticks,
      instances: beat.instances,
      live: this.live,
      releaseInForce: inForce,
      declared,
      missingSince: this.#missingSince,
      mayBeAhead,
    })
    this.#missingSince = missingSince
    this.#parts.watch.noteForeign(foreign)
    return plan
  }

  #dropRemoved(stored: ReadonlyMap<string, StoredWorker>): void {
    const now = this.#parts.clock.now()
    for (const { name, removedAt } of stored.values()) {
      if (removedAt === undefined) continue
      const entry = this.#parts.entries.get(name)
      if (entry?.declaredAt === undefined || !isRemovedSince(entry.declaredAt, removedAt, now)) continue
      this.#parts.dropWorker(name)
      this.noteNamesChanged()
    }
  }
}

function isDated(entry: ManagedPeriodicWorker): entry is ManagedPeriodicWorker & { declaredAt: number } {
  return entry.declaredAt !== undefined
}
