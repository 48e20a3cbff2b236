import assert from 'node:assert/strict'
import type { ManagerEvents, PeriodicWorkerPolicy, RunRecord, WorkerStatus } from '@background-workers/abstractions'
import { stableHash } from '@background-workers/abstractions/for-managers'
import type { Slots } from './slots.ts'

/** The two times of the clock under the manager. */
export interface Times {
  now(): number
  monotonicNow(): number
}

/** After this time without a clock step everything is on time to the millisecond. */
export const CALM_AFTER_MS = 60_000
const STUCK_AFTER_MS = 30_000
const STOP_GRACE_MS = 1_000

/** A worker that is added. */
interface Entry {
  readonly declared: Slots
  readonly policy: PeriodicWorkerPolicy
  override: Slots | undefined
  isPaused: boolean
  /** The first slot that has no decision yet and is covered by nothing; none while paused or stopped. */
  next: number | undefined
}

/** A run from its start until `doWork` has returned, which may be long after its outcome. */
export interface ModelRun {
  readonly runId: string
  readonly policy: PeriodicWorkerPolicy
  readonly startedMs: number
  /** No attempt may start at or after it. */
  readonly nextSlot: number
  mayRetry: boolean
  attempts: number
  isWorking: boolean
  /** When the last attempt failed, in wall time. */
  failedAt: number | undefined
  /** When it is repeated: `at` by the wall clock, and no later than `startsMs` by the monotonic one. */
  retry: { readonly at: number; readonly startsMs: number } | undefined
  outcome: string | undefined
  /** When its signal was aborted. */
  abortedMs: number | undefined
  /** When the manager that had given up on it started again. */
  watchedAgainMs: number
  isStuck: boolean
  isAbandoned: boolean
}

/** A slot that has been decided and waits for its jitter. */
interface Waiting {
  readonly slot: number
  /** The slot after it, by the schedule that was in force when it was decided. */
  readonly nextSlot: number
  /** Not known of a wait that only the slot skipped for it has told of. */
  readonly missedSlots: number | undefined
  readonly runId: string
}

/** What outlives a removal: the guard and the history go by the worker's name. */
interface Named {
  readonly name: string
  entry: Entry | undefined
  run: ModelRun | undefined
  waiting: Waiting | undefined
  lastSlot: number | undefined
  /** A slot that came again while its own run, or wait, was active: no decision is made of it. */
  again: number | undefined
  consecutiveFailures: number
  outcomes: string[]
}

interface Stop {
  readonly sinceMs: number
  readonly timeoutMs: number
  readonly runs: readonly ModelRun[]
}

/**
 * What the manager may do, said a second time: from the promises, without the library's decisions. It follows the
 * manager's events and refuses each that no promise explains; `check` refuses silence.
 */
export class Model {
  readonly #times: Times
  readonly #workers = new Map<string, Named>()
  readonly decisions: Record<string, number> = {}
  isWorking = false
  isStartWanted = false
  stopping: Stop | undefined
  #disturbedMs = Number.NEGATIVE_INFINITY
  #setBackMs = Number.NEGATIVE_INFINITY
  /** Whether it was calm when the last step had ended. */
  #wasCalm = true
  /** What a command of the script lets happen, and nothing else may. */
  #allowed: { readonly kind: 'trigger' | 'cancel' | 'pause'; readonly worker: string } | undefined

  constructor(times: Times) {
    this.#times = times
  }

  worker(name: string): Named {
    let worker = this.#workers.get(name)
    if (!worker) {
      worker = {
        name,
        entry: undefined,
        run: undefined,
        waiting: undefined,
        lastSlot: undefined,
        again: undefined,
        consecutiveFailures: 0,
        outcomes: [],
      }
      this.#workers.set(name, worker)
    }
    return worker
  }

  /** The run, or waiting slot, that makes the worker active. */
  activeRunId(name: string): string | undefined {
    const { run, waiting } = this.worker(name)
    return run?.runId ?? waiting?.runId
  }

  // What the script does. Each is called before the manager is.

  disturb(ms: number): void {
    this.#disturbedMs = this.#times.monotonicNow()
    this.#wasCalm = false
    if (ms < 0) this.#setBackMs = this.#disturbedMs
  }

  add(name: string, declared: Slots, policy: PeriodicWorkerPolicy): void {
    const worker = this.worker(name)
    worker.entry = { declared, policy, override: undefined, isPaused: false, next: undefined }
    this.#anchor(worker)
  }

  remove(name: string): void {
    const worker = this.worker(name)
    if (!worker.entry) return
    worker.entry = undefined
    worker.waiting = undefined
  }

  pause(name: string): void {
    const { entry, run } = this.worker(name)
    if (!entry) return
    entry.isPaused = true
    entry.next = undefined
    if (run) run.mayRetry = false
  }

  resume(name: string): void {
    const worker = this.worker(name)
    if (!worker.entry?.isPaused) return
    worker.entry.isPaused = false
    this.#anchor(worker)
  }

  reschedule(name: string, slots: Slots | undefined): void {
    const worker = this.worker(name)
    if (!worker.entry) return
    const before = JSON.stringify(effective(worker.entry).schedule)
    worker.entry.override = slots
    if (before !== JSON.stringify(effective(worker.entry).schedule)) this.#anchor(worker)
  }

  stop(timeoutMs: number): void {
    this.isWorking = false
    const runs: ModelRun[] = []
    for (const worker of this.#workers.values()) {
      if (worker.entry) worker.entry.next = undefined
      worker.waiting = undefined
      if (!worker.run) continue
      worker.run.mayRetry = false
      runs.push(worker.run)
    }
    this.stopping = { sinceMs: this.#times.monotonicNow(), timeoutMs, runs }
  }

  /** The stop has resolved. */
  stopped(report: { readonly finished: number; readonly abandoned: readonly { readonly runId?: string }[] }): void {
    const stop = this.stopping as Stop
    const left = stop.runs.filter((run) => this.#isActive(run))
    for (const run of left) run.isAbandoned = true
    assert.deepEqual(
      new Set(report.abandoned.map(({ runId }) => runId)),
      new Set(left.map(({ runId }) => runId)),
      'the stop names the runs that it gave up on',
    )
    assert.equal(report.finished, stop.runs.length - left.length, 'the stop counts the runs that ended')
    const tookMs = this.#times.monotonicNow() - stop.sinceMs
    if (left.length > 0) assert.equal(tookMs, stop.timeoutMs + STOP_GRACE_MS, 'the stop waits 1 s after its deadline')
    assert.ok(tookMs <= stop.timeoutMs + STOP_GRACE_MS, 'the stop keeps its deadline')
    this.stopping = undefined
  }

  /** The manager starts its workers. */
  begin(): void {
    assert.ok(this.isStartWanted, 'a manager starts when it is told to')
    this.isStartWanted = false
    this.isWorking = true
    for (const worker of this.#workers.values()) {
      this.#anchor(worker)
      const { run } = worker
      if (!run?.isAbandoned) continue
      run.isAbandoned = false
      run.watchedAgainMs = this.#times.monotonicNow()
    }
  }

  allow(kind: 'trigger' | 'cancel' | 'pause', worker: string): void {
    this.#allowed = { kind, worker }
  }

  allowNothing(): void {
    this.#allowed = undefined
  }

  // What the manager tells.

  runStarted(record: RunRecord): void {
    const worker = this.worker(record.worker)
    const { entry } = worker
    const now = this.#times.now()
    assert.ok(entry && this.isWorking, 'only a worker of a running manager runs')
    assert.equal(worker.run, undefined, 'no two runs of a worker overlap')
    assert.equal(record.startedAt?.getTime(), now, 'startedAt is the time of the start')
    let nextSlot = effective(entry).next(now)
    if (record.kind === 'manual') {
      assert.ok(this.#isAllowed('trigger', worker.name), 'a manual run was triggered')
      assert.equal(worker.waiting, undefined, 'a manual run meets no active slot')
    } else if (record.kind === 'start') {
      assert.ok(entry.policy.runOnStart && !entry.isPaused, 'a run on start was asked for')
      assert.equal(worker.waiting, undefined, 'a run on start meets no active slot')
    } else {
      nextSlot = this.#startSlot(worker, entry, record)
    }
    worker.run = {
      runId: record.runId,
      policy: entry.policy,
      startedMs: this.#times.monotonicNow(),
      nextSlot,
      mayRetry: true,
      attempts: 0,
      isWorking: false,
      failedAt: undefined,
      retry: undefined,
      outcome: undefined,
      abortedMs: undefined,
      watchedAgainMs: Number.NEGATIVE_INFINITY,
      isStuck: false,
      isAbandoned: false,
    }
  }

  /** A slot runs now. Gives the slot after it. */
  #startSlot(worker: Named, entry: Entry, record: RunRecord): number {
    const now = this.#times.now()
    const slot = record.scheduledFor.getTime()
    const missedSlots = record.missedSlots ?? 0
    const { nextSlot, jitterMs } = this.#decide(worker, entry, record)
    const startAt = slot + jitterMs
    if (now < startAt) {
      // A clock that was set back during the wait is no reason to wait again.
      const longestWaitAgo = this.#times.monotonicNow() - jitterMs
      assert.ok(this.#setBackMs >= longestWaitAgo, 'no run starts early')
    }
    const lateByMs = Math.max(0, now - startAt)
    assert.equal(record.lateByMs, lateByMs, 'lateByMs is the time since the slot and its jitter')
    assert.equal(judge(entry.policy, nextSlot - slot, lateByMs), 'run', 'a slot outside its window is missed')
    const kind = lateByMs > 1_000 || missedSlots > 0 ? 'catch-up' : 'scheduled'
    assert.equal(record.kind, kind, 'a late slot, or one with missed slots, is a catch-up')
    return nextSlot
  }

  runSkipped(record: RunRecord): void {
    const worker = this.worker(record.worker)
    const { entry } = worker
    assert.ok(entry, 'only a worker that is there skips')
    this.#noteAgain(worker)
    this.#count(worker, record)
    if (record.kind === 'start') {
      assert.equal(record.blockedBy, this.activeRunId(worker.name), 'a skipped run on start names the active run')
      assert.ok(record.blockedBy !== undefined && entry.policy.runOnStart && this.isWorking)
      return
    }
    const slot = record.scheduledFor.getTime()
    if (record.reason === 'paused') {
      assert.ok(this.#isAllowed('pause', worker.name), 'only a pause ends a wait')
      this.#endWaiting(worker, record)
      return
    }
    assert.ok(this.isWorking && !entry.isPaused, 'only a running manager decides')
    if (record.reason === 'overlap') {
      // The first sign of a slot that waits for its jitter may be the next one, which is skipped for it.
      if (!worker.run) this.#knowWaiting(worker, entry, record.blockedBy as string)
      const active = this.activeRunId(worker.name)
      assert.ok(active !== undefined, 'a slot is skipped only for an active run')
      assert.equal(record.blockedBy, active, 'a skipped slot names the run that was active')
      assert.notEqual(record.runId, active, 'a slot does not block itself')
      const isWaitOver = worker.run?.retry && this.#times.now() >= worker.run.nextSlot
      assert.ok(!isWaitOver, 'no slot is skipped for a run that can not be repeated any more')
      this.#decide(worker, entry, record)
      return
    }
    assert.deepEqual([record.outcome, record.reason], ['missed', 'late'])
    assert.equal(worker.run, undefined, 'a slot that meets an active run is skipped, not missed')
    const { nextSlot, jitterMs } = this.#decide(worker, entry, record)
    const lateByMs = Math.max(0, this.#times.now() - slot - jitterMs)
    assert.equal(record.lateByMs, lateByMs)
    assert.equal(judge(entry.policy, nextSlot - slot, lateByMs), 'miss', 'a slot inside its window is not missed')
  }

  runFinished(record: RunRecord): void {
    const worker = this.worker(record.worker)
    const { run } = worker
    this.#noteAgain(worker)
    this.#count(worker, record)
    assert.equal(record.finishedAt?.getTime(), this.#times.now())
    if (record.startedAt === undefined) {
      assert.deepEqual([record.outcome, record.reason], ['aborted', 'cancelled'])
      assert.ok(this.#isAllowed('cancel', worker.name), 'only a cancel ends a wait')
      this.#endWaiting(worker, record)
      return
    }
    assert.ok(run, 'a run that finishes was started')
    assert.equal(record.runId, run.runId, 'a run that finishes is the active one')
    assert.equal(run.outcome, undefined, 'an outcome is fixed once')
    assert.equal(record.attempts, run.attempts, 'the record counts the attempts')
    const tookMs = this.#times.monotonicNow() - run.startedMs
    assert.equal(record.durationMs, tookMs)
    run.outcome = `${record.outcome}${record.reason === undefined ? '' : `/${record.reason}`}`
    switch (run.outcome) {
      case 'succeeded':
        assert.ok(!run.isWorking && run.failedAt === undefined, 'a run succeeds when doWork has returned')
        break
      case 'failed':
        assert.ok(!run.isWorking && run.failedAt !== undefined, 'a run fails when doWork has thrown')
        this.#checkNoRetry(run)
        break
      case 'failed/timeout':
        assert.equal(tookMs, run.policy.timeoutMs, 'a timeout comes at its time')
        run.abortedMs = this.#times.monotonicNow()
        break
      case 'aborted/cancelled':
        assert.ok(this.#isAllowed('cancel', worker.name), 'a cancelled run was cancelled')
        run.abortedMs = this.#times.monotonicNow()
        break
      case 'aborted/stop':
        assert.equal(
          this.#times.monotonicNow() - (this.stopping?.sinceMs ?? Number.NaN),
          this.stopping?.timeoutMs,
          'a stop aborts at its deadline',
        )
        run.abortedMs = this.#times.monotonicNow()
        break
      default:
        assert.fail(`a run ends as ${run.outcome}`)
    }
    if (record.outcome === 'succeeded') worker.consecutiveFailures = 0
    else if (record.outcome === 'failed') worker.consecutiveFailures++
    this.#settle(worker)
  }

  runRetrying({ worker: name, runId, attempt, retryAt }: ManagerEvents['run-retrying']): void {
    const { run } = this.worker(name)
    assert.ok(run && run.runId === runId && !run.isWorking && run.outcome === undefined, 'the active run is repeated')
    assert.equal(attempt, run.attempts)
    const at = retryTimeOf(run)
    assert.equal(retryAt.getTime(), at, 'a retry comes after its backoff')
    assert.ok(run.mayRetry && at < run.nextSlot, 'no attempt starts at or after the next slot')
    const waitMs = Math.max(1, at - this.#times.now())
    run.retry = { at: this.#times.now() + waitMs, startsMs: this.#times.monotonicNow() + waitMs }
  }

  schedulesRepaired({ workers }: ManagerEvents['schedules-repaired']): void {
    const silent: string[] = []
    for (const worker of this.#workers.values()) {
      const { name, entry } = worker
      if (entry?.next === undefined) continue
      const expected = this.#nextUndecided(worker, entry)
      const latestAllowed = effective(entry).next(expected)
      if (entry.next <= latestAllowed) continue
      // A worker that is not repaired may still be behind, at the slot that came again.
      const isBehind = worker.again !== undefined && worker.again <= latestAllowed && !workers.includes(name)
      entry.next = isBehind ? worker.again : expected
      worker.again = undefined
      if (!isBehind) silent.push(name)
    }
    assert.deepEqual([...workers].sort(), silent.sort(), 'a step back repairs the schedules that would be silent')
  }

  workerStuck({ worker, runId }: ManagerEvents['worker-stuck']): void {
    const { run } = this.worker(worker)
    assert.ok(run?.runId === runId && run.abortedMs !== undefined && !run.isAbandoned, 'an aborted run is stuck')
    assert.ok(!run.isStuck, 'a run is called stuck once')
    assert.equal(this.#times.monotonicNow(), stuckTimeOf(run, run.abortedMs), 'a run is stuck 30 s after its abort')
    run.isStuck = true
  }

  // What doWork tells.

  attemptStarts(name: string, runId: string, attempt: number): ModelRun {
    const { run } = this.worker(name)
    assert.ok(run?.runId === runId && run.outcome === undefined, 'doWork is called after its run is recorded')
    assert.ok(!run.isWorking, 'no two attempts overlap')
    assert.equal(attempt, run.attempts + 1)
    if (attempt > 1) {
      assert.ok(this.#times.now() < run.nextSlot, 'no attempt starts at or after the next slot')
      assert.ok(run.retry && this.#isTimeOf(run.retry), 'no retry starts early')
      assert.ok(this.#times.monotonicNow() <= run.retry.startsMs, 'a clock that was set back makes no backoff longer')
    }
    run.attempts = attempt
    run.isWorking = true
    run.retry = undefined
    run.failedAt = undefined
    return run
  }

  attemptEnds(name: string, run: ModelRun, isFailed: boolean): void {
    assert.ok(run.isWorking)
    this.#noteAgain(this.worker(name))
    run.isWorking = false
    run.failedAt = isFailed ? this.#times.now() : undefined
    this.#settle(this.worker(name))
  }

  // What must be so whenever everything has settled.

  /** The workers of which no event tells whether a slot waits for its jitter. */
  unclear(): string[] {
    const now = this.#times.now()
    const isUnclear = ({ name, entry, again }: Named) =>
      entry?.next !== undefined &&
      (again ?? entry.next) <= now &&
      (entry.policy.jitterMs ?? 0) > 0 &&
      !this.activeRunId(name)
    return [...this.#workers.values()].filter(isUnclear).map(({ name }) => name)
  }

  /** Refuses silence: what is due and undecided, what ought to have ended. `statusOf` tells which slots wait for their jitter. */
  check(statusOf: (name: string) => WorkerStatus | undefined): void {
    const now = this.#times.now()
    const elapsedMs = this.#times.monotonicNow()
    for (const worker of this.#workers.values()) {
      const { name, entry, run } = worker
      if (run) this.#checkRun(run, elapsedMs)
      this.#noteAgain(worker)
      if (entry?.next === undefined) continue
      const active = this.activeRunId(name) ? undefined : statusOf(name)?.activeRun
      if (active) this.#knowWaiting(worker, entry, active.runId, active.missedSlots ?? 0)
      if (!this.isCalm) continue
      if (entry.next <= now) assert.fail(`${name}: the slot ${iso(entry.next)} has no decision at ${iso(now)}`)
      this.#checkWaiting(worker, entry)
      const slots = effective(entry)
      // A step back may leave two slots ahead that are decided: the last one, and one that waits for its jitter.
      const latestAllowed = slots.next(slots.next(slots.next(now + 1_000)))
      if (entry.next > latestAllowed) assert.fail(`${name} falls silent until ${iso(entry.next)}`)
    }
    this.#wasCalm = this.isCalm
    if (!this.stopping) return
    const tookMs = elapsedMs - this.stopping.sinceMs
    assert.ok(tookMs < this.stopping.timeoutMs + STOP_GRACE_MS, 'a stop ends 1 s after its deadline')
    assert.ok(
      this.stopping.runs.some((run) => this.#isActive(run)),
      'a stop ends with the last run',
    )
  }

  checkStatus(name: string, status: WorkerStatus | undefined): void {
    const { entry, run, again, consecutiveFailures, outcomes } = this.worker(name)
    assert.equal(status === undefined, entry === undefined, 'the manager knows its workers')
    if (!status || !entry) return
    const active = this.activeRunId(name)
    const isOverdue = entry.next !== undefined && this.#times.now() - entry.next > 10_000
    assert.deepEqual(
      {
        state: status.state,
        nextDueAt: status.nextDueAt?.getTime(),
        active: status.activeRun?.runId,
        failures: status.consecutiveFailures,
        outcomes: status.recentOutcomes,
        schedule: status.schedule?.override?.schedule,
      },
      {
        state: run?.isStuck ? 'stuck' : active ? 'running' : entry.isPaused ? 'paused' : isOverdue ? 'overdue' : 'idle',
        nextDueAt: again !== undefined && status.nextDueAt?.getTime() === again ? again : entry.next,
        active,
        failures: consecutiveFailures,
        outcomes,
        schedule: entry.override?.schedule,
      },
      `the status of ${name}`,
    )
  }

  /** Whether the last clock step is so long ago that everything is on time again. */
  get isCalm(): boolean {
    return this.#times.monotonicNow() > this.#disturbedMs + CALM_AFTER_MS
  }

  /** A slot is decided now, or was when it began to wait for its jitter. */
  #decide(worker: Named, entry: Entry, record: RunRecord): { nextSlot: number; jitterMs: number } {
    const slot = record.scheduledFor.getTime()
    const missedSlots = record.missedSlots ?? 0
    assert.equal(record.runId, `${worker.name}.${slot}`)
    worker.lastSlot = slot
    const { waiting } = worker
    if (waiting?.slot === slot) {
      assert.equal(missedSlots, waiting.missedSlots ?? missedSlots, 'missedSlots is counted when the slot is decided')
      worker.waiting = undefined
      return { nextSlot: waiting.nextSlot, jitterMs: jitterOf(worker.name, entry.policy, slot, waiting.nextSlot) }
    }
    const nextSlot = effective(entry).next(slot)
    const jitterMs = jitterOf(worker.name, entry.policy, slot, nextSlot)
    // A run whose wait nothing has told of was decided earlier.
    this.#take(worker, entry, slot, missedSlots, jitterMs === 0 || record.reason === 'overlap')
    return { nextSlot, jitterMs }
  }

  /** Checks that the slot is the one to be decided, and goes on to the next. */
  #take(worker: Named, entry: Entry, slot: number, missedSlots: number, isNow: boolean): void {
    const now = this.#times.now()
    const slots = effective(entry)
    assert.ok(entry.next !== undefined)
    if (slot < (worker.again ?? entry.next)) assert.fail(`${worker.name}: the slot ${iso(slot)} is decided once`)
    assert.equal(slots.latest(slot), slot, 'a decision is about a slot of the schedule')
    const passed = slots.between(worker.again ?? entry.next, slot)
    if (worker.again === undefined || missedSlots !== passed) {
      assert.equal(missedSlots, slots.between(entry.next, slot), 'missedSlots counts the slots that were passed over')
    }
    worker.again = undefined
    if (isNow) {
      assert.ok(slot <= now, 'no slot is decided early')
      assert.equal(slot, slots.latest(now), 'a decision is about the latest slot')
    }
    // A wait that is noticed now may have begun right after the last check.
    if (isNow ? this.isCalm : this.#wasCalm) {
      assert.equal(missedSlots, 0, 'nothing is missed while the clock runs evenly')
      if (isNow) assert.equal(slot, now, 'a slot is decided when it is due')
    }
    entry.next = slots.next(slot)
  }

  /** Takes up that a slot waits for its jitter, which no event tells. */
  #knowWaiting(worker: Named, entry: Entry, runId: string, missedSlots?: number): void {
    if (worker.waiting || entry.next === undefined) return
    const slot = Number(runId.slice(worker.name.length + 1))
    const nextSlot = effective(entry).next(slot)
    assert.ok(jitterOf(worker.name, entry.policy, slot, nextSlot) > 0, 'only a slot with a jitter waits')
    this.#take(worker, entry, slot, missedSlots ?? effective(entry).between(entry.next, slot), false)
    worker.waiting = { slot, nextSlot, missedSlots, runId }
  }

  #noteAgain(worker: Named): void {
    const { name, entry } = worker
    if (entry?.next === undefined) return
    const slots = effective(entry)
    const active = Number(this.activeRunId(name)?.slice(name.length + 1))
    const isDueAgain = active >= entry.next && active <= this.#times.now() && slots.latest(active) === active
    if (!isDueAgain) return
    worker.again = entry.next
    entry.next = slots.next(active)
  }

  #endWaiting(worker: Named, record: RunRecord): void {
    assert.equal(record.runId, worker.waiting?.runId, 'what ends is the wait of the slot that waits')
    worker.lastSlot = record.scheduledFor.getTime()
    worker.waiting = undefined
  }

  #anchor(worker: Named): void {
    const { entry } = worker
    if (!entry || entry.isPaused || !this.isWorking) return
    entry.next = this.#nextUndecided(worker, entry)
    worker.again = undefined
  }

  /** A clock that was set back makes the decided slot the next one again. */
  #nextUndecided({ lastSlot, waiting }: Named, entry: Entry): number {
    const slots = effective(entry)
    let next = slots.next(this.#times.now())
    while (next === lastSlot || next === waiting?.slot) next = slots.next(next)
    return next
  }

  #checkNoRetry(run: ModelRun): void {
    const { retry, policy, mayRetry, attempts, nextSlot } = run
    if (!mayRetry) return
    if (retry) {
      assert.ok(this.#times.now() >= nextSlot, 'a run that waits for its retry fails only at the next slot')
      return
    }
    if (attempts >= (policy.retry?.attempts ?? 1)) return
    assert.ok(retryTimeOf(run) >= nextSlot, 'a failed attempt is repeated where there is room')
  }

  #checkWaiting({ name, waiting }: Named, { policy }: Entry): void {
    if (!waiting) return
    const startAt = waiting.slot + jitterOf(name, policy, waiting.slot, waiting.nextSlot)
    assert.ok(this.#times.now() < startAt, 'a slot waits no longer than for its jitter')
  }

  #isTimeOf({ at, startsMs }: NonNullable<ModelRun['retry']>): boolean {
    return this.#times.now() >= at || this.#times.monotonicNow() >= startsMs
  }

  #checkRun(run: ModelRun, elapsedMs: number): void {
    const { policy, outcome, abortedMs } = run
    if (outcome === undefined) {
      assert.ok(elapsedMs - run.startedMs < (policy.timeoutMs ?? Number.POSITIVE_INFINITY), 'a timeout is kept')
      assert.ok(run.isWorking || run.retry, 'a run that does nothing has ended')
      if (run.retry && this.isCalm) assert.ok(!this.#isTimeOf(run.retry), 'a run waits no longer than for its retry')
    } else if (abortedMs !== undefined && !run.isAbandoned && !run.isStuck) {
      assert.ok(elapsedMs < stuckTimeOf(run, abortedMs), 'a run that does not heed its abort is called stuck')
    }
  }

  #settle(worker: Named): void {
    if (worker.run && !this.#isActive(worker.run)) worker.run = undefined
  }

  #isActive(run: ModelRun): boolean {
    return run.isWorking || run.outcome === undefined
  }

  #isAllowed(kind: string, worker: string): boolean {
    return this.#allowed?.kind === kind && this.#allowed.worker === worker
  }

  #count(worker: Named, { outcome, reason }: RunRecord): void {
    const key = `${outcome}${reason === undefined ? '' : `/${reason}`}`
    this.decisions[key] = (this.decisions[key] ?? 0) + 1
    worker.outcomes.push(outcome as string)
    if (worker.outcomes.length > RECENT) worker.outcomes.shift()
  }
}

/** How many outcomes a status has. */
const RECENT = 60

function effective(entry: Entry): Slots {
  return entry.override ?? entry.declared
}

/** Promise 6: what becomes of a slot that is late by so much. */
function judge({ catchUpWindowMs, misfire }: PeriodicWorkerPolicy, gapMs: number, lateByMs: number): 'run' | 'miss' {
  if (lateByMs <= Math.min(1_000, gapMs / 2)) return 'run'
  if (misfire === 'skip' && lateByMs > 1_000) return 'miss'
  return lateByMs <= (catchUpWindowMs ?? Math.min(gapMs / 2, 3_600_000)) ? 'run' : 'miss'
}

function jitterOf(name: string, { jitterMs = 0 }: PeriodicWorkerPolicy, slot: number, nextSlot: number): number {
  const most = Math.min(jitterMs, nextSlot - slot - 1)
  return most === 0 ? 0 : stableHash(`${name}@${slot}`) % (most + 1)
}

/** What has been due for long when the manager starts again is told at once. */
function stuckTimeOf({ watchedAgainMs }: ModelRun, abortedMs: number): number {
  return Math.max(abortedMs + STUCK_AFTER_MS, watchedAgainMs + 1)
}

function retryTimeOf({ policy, attempts, failedAt }: ModelRun): number {
  const { backoffMs, factor = 1, maxBackoffMs = 3_600_000 } = policy.retry ?? { backoffMs: Number.NaN }
  let waitMs = backoffMs
  for (let attempt = 1; attempt < attempts; attempt++) waitMs *= factor
  return (failedAt as number) + Math.min(waitMs, maxBackoffMs)
}

function iso(time: number): string {
  return new Date(time).toISOString()
}
