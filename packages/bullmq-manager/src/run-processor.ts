import { LeaseLostError, type RunKind, type RunRecord, decideSlot, nextDueAt } from '@background-workers/abstractions'
import { type GuardedLogger, Run, type RunHost } from '@background-workers/abstractions/for-managers'
import { DelayedError, type Job, UnrecoverableError, WaitingError } from 'bullmq'
import { withoutCommand } from './connection.ts'
import type { ManagedPeriodicWorker } from './managed-worker.ts'
import type { RedisClock } from './redis-clock.ts'
import { type RunJobData, type RunQueues, readRunJob } from './run-queues.ts'
import { startWindowMs } from './start-window.ts'
import type { RunClaim, Store } from './store.ts'
import type { StoredDefinition, StoredWorker } from './stored-worker.ts'

/** What the runs of this instance need of their manager, and tell it. */
export interface RunProcessorParts {
  readonly clock: RedisClock
  readonly store: Store
  readonly runQueues: RunQueues
  readonly instanceId: string
  readonly logger: GuardedLogger
  readonly host: Omit<RunHost, 'runFinished' | 'runSettled'>
  /** The worker, if it was added here and has started. */
  readyWorker(name: string): ManagedPeriodicWorker | undefined
  /** Whether a live instance that takes this queue says that it has the worker. This one does not count. */
  isDeclared(worker: string, queue: string): Promise<boolean>
  /** Whether a live instance takes this queue. */
  isQueueTaken(queue: string): boolean
  /** It was added here, and its own `start` has neither resolved nor failed. */
  isStarting(name: string): boolean
  runStarted(record: RunRecord): void
  runFinished(record: RunRecord): void
  /** Its outcome is in the store: so many runs in a row have failed. */
  failuresCounted(worker: string, consecutiveFailures: number): void
  runSettled(record: RunRecord): void
  slotSkipped(record: RunRecord): void
  /** A run has come for a worker that is not here; it goes to another instance. */
  runHandedBack(worker: string, runId: string): void
}

/** A run of this instance, from its decision until its job is done. */
interface ActiveRun {
  readonly run: Run
  readonly job: Job
  readonly token: string | undefined
  readonly claim: RunClaim
  readonly settled: PromiseWithResolvers<void>
  readonly jobDone: PromiseWithResolvers<void>
  /** The outcome is written when this resolves. */
  written: Promise<void> | undefined
}

/** What is known of a run job when it is to be decided. */
interface RunCase {
  readonly job: Job
  readonly runId: string
  readonly queue: string
  readonly token: string | undefined
  readonly data: RunJobData
  readonly stored: StoredWorker
  readonly isRecovery: boolean
}

/** How long a run that is handed back waits, and how often that may happen. */
const HAND_BACK_MS = 2_000
const MAX_HAND_BACKS = 5

/** How soon a run comes again whose worker is starting. */
const STARTING_MS = 500

/** How long to wait before an outcome that Redis refused (full memory, read-only) is written again. */
const WRITE_AGAIN_MS = 1_000

/** Counts over all starts of a manager: a run that an earlier one has abandoned must not pass for a later one. */
let startNumber = 0

/** The runs of this instance: takes run jobs, decides each in the store, and calls `doWork` through the shared pipeline. */
export class RunProcessor {
  readonly #parts: RunProcessorParts
  readonly #active = new Map<string, ActiveRun>()
  readonly #undecided = new Set<Promise<unknown>>()
  readonly #host: RunHost
  #state: 'open' | 'draining' | 'closed' = 'open'

  constructor(parts: RunProcessorParts) {
    this.#parts = parts
    this.#host = {
      ...parts.host,
      runFinished: (run, record) => this.#runFinished(run, record),
      runSettled: (run) => this.#active.get(run.plan.runId)?.settled.resolve(),
    }
  }

  activeRuns(): Run[] {
    return [...this.#active.values()].map(({ run }) => run)
  }

  activeRun(runId: string): Run | undefined {
    return this.#active.get(runId)?.run
  }

  open(): void {
    this.#state = 'open'
  }

  /** From now on every job that is fetched goes back, and no run is repeated. Resolves when what was being decided is. */
  async drain(): Promise<void> {
    this.#state = 'draining'
    for (const { run } of this.#active.values()) run.endRetries()
    await Promise.allSettled(this.#undecided)
  }

  /** A pause: a run of this worker that waits for its retry ends. */
  endRetries(worker: string): void {
    for (const { run } of this.#active.values()) if (run.plan.worker.name === worker) run.endRetries()
  }

  /** Nothing starts any more, and no outcome is written again. */
  close(): void {
    this.#state = 'closed'
    for (const { run } of this.#active.values()) run.abandon()
  }

  /** The leases of these runs could not be renewed: somebody else may take them over. */
  loseLeases(runIds: readonly string[]): void {
    for (const runId of runIds) {
      const run = this.activeRun(runId)
      run?.abort(new LeaseLostError(run.record.worker, runId))
    }
  }

  /** Processes a run job. It stays active, and so keeps the guard, until `doWork` has settled. */
  async process(queue: string, job: Job, token: string | undefined): Promise<void> {
    const deciding = this.#decide(queue, job, token)
    this.#undecided.add(deciding)
    let active: ActiveRun | undefined
    try {
      active = await deciding
    } catch (error) {
      return await this.#decideLater(job, token, error)
    } finally {
      this.#undecided.delete(deciding)
    }
    if (active) await this.#carryOut(active)
  }

  /** Gives the run if it is this instance that may start it. */
  async #decide(queue: string, job: Job, token: string | undefined): Promise<ActiveRun | undefined> {
    const data = readRunJob(job)
    const runId = job.id
    if (!data || runId === undefined) {
      this.#parts.logger.warn({ jobId: runId }, 'a job in a run queue is not ours, it is dropped')
      return undefined
    }
    if (this.#state !== 'open') await giveBack(job, token)
    // Its lease was lost and it has come back here, where its doWork is still active: that keeps the guard.
    if (this.activeRun(runId)?.isSettled === false) return this.#putOff({ job, token }, HAND_BACK_MS)
    const stored = await this.#parts.store.read(data.worker)
    const history = await this.#historyOf(job, runId, stored)
    if (history === 'ended') return undefined
    return this.#decideRun({ job, runId, queue, token, data, stored, isRecovery: history === 'to-recover' })
  }

  async #decideRun(runCase: RunCase): Promise<ActiveRun | undefined> {
    const { data, runId, stored, isRecovery } = runCase
    const { definition } = stored
    // A worker that was removed owes nothing.
    if (!definition || stored.removedAt !== undefined) return undefined
    const entry = this.#parts.readyWorker(data.worker)
    if (!entry)
      return this.#parts.isStarting(data.worker) ? this.#putOff(runCase, STARTING_MS) : this.#handBack(runCase)
    if (data.kind === 'start' && stored.paused) return undefined
    const schedule = stored.override?.schedule ?? definition.schedule
    const now = this.#parts.clock.now()
    let kind: RunKind = data.kind
    let lateByMs = 0
    if (isSlot(data) && !isRecovery) {
      const slot = {
        dueAt: data.slot,
        nextDueAt: nextDueAt(schedule, data.slot, data.worker),
        missedSlots: data.missedSlots,
      }
      const owner = { name: data.worker, policy: definition.policy }
      const decision = decideSlot(owner, { paused: stored.paused !== undefined }, slot, Math.max(now, data.slot))
      // It was waiting, for its jitter or for a place, when the pause came.
      if (decision.kind === 'skip') return this.#recordNonRun(runCase, { outcome: 'skipped', reason: decision.reason })
      if (decision.kind === 'miss') {
        return this.#recordNonRun(runCase, { outcome: 'missed', reason: decision.reason, lateByMs: decision.lateByMs })
      }
      const startAt = decision.kind === 'run' ? decision.startAt : decision.until
      // A clock that is ahead of Redis has brought it early.
      if (startAt > now) return this.#putOff(runCase, startAt - now)
      kind = decision.kind === 'run' ? decision.runKind : 'scheduled'
      lateByMs = decision.kind === 'run' ? decision.lateByMs : 0
    }
    const run = new Run(
      {
        worker: { name: data.worker, doWork: (context) => entry.worker.doWork(context) },
        policy: definition.policy,
        runId,
        kind,
        scheduledForMs: data.slot,
        lateByMs,
        missedSlots: data.missedSlots,
        nextDueAtMs: nextDueAt(schedule, isSlot(data) ? data.slot : now, data.worker),
        lastSucceededAtMs: stored.lastSuccess?.finishedAt?.getTime(),
        by: data.by,
      },
      this.#host,
    )
    const claim = this.#claimOf(runCase, definition)
    if (!(await this.#parts.store.decideRun(run.record, claim))) return undefined
    // Closed meanwhile: the job stays active (this error leaves it alone), and another instance will record the run as lost.
    if (this.#state === 'closed') throw new WaitingError()
    const { job, token } = runCase
    return {
      run,
      job,
      token,
      claim,
      settled: Promise.withResolvers(),
      jobDone: Promise.withResolvers(),
      written: undefined,
    }
  }

  #claimOf({ queue, data, stored, isRecovery }: RunCase, { policy, schedule }: StoredDefinition): RunClaim {
    const { startMark } = data
    const windowMs = startMark?.startsWith('at ')
      ? startWindowMs(schedule, data.worker, this.#parts.clock.now())
      : undefined
    return {
      token: this.#parts.runQueues.token(queue, this.#parts.instanceId, ++startNumber),
      slot: isSlot(data) ? data.slot : undefined,
      keepRuns: policy.keepRuns,
      isRecovery,
      wasWaiting: stored.waiting !== undefined,
      ...(startMark !== undefined && { start: { mark: startMark, ...(windowMs !== undefined && { windowMs }) } }),
    }
  }

  async #carryOut(active: ActiveRun): Promise<void> {
    const { run, claim, job, token } = active
    this.#active.set(run.plan.runId, active)
    this.#parts.runStarted(run.record)
    if (this.#state !== 'open') run.endRetries()
    run.start()
    await active.settled.promise
    const isWritten = active.written !== undefined
    await (active.written ?? this.#write(active, true))
    if (isWritten) await this.#parts.store.settleRun(run.record.worker, claim.token)
    this.#parts.runSettled(run.record)
    const { outcome, reason, error } = run.record
    // Its job is somebody else's now, so nobody has to wait until Redis takes it back.
    if (reason === 'lease-lost') this.noteJobDone(job)
    if (isToBeRecovered(active)) {
      const given = giveBack(job, token)
      await given.catch(() => this.noteJobDone(job))
      return given
    }
    // The job fails as well, so that BullMQ's own tools show it.
    if (outcome !== 'succeeded') throw new UnrecoverableError(error?.message ?? outcome)
  }

  #runFinished(run: Run, record: RunRecord): void {
    this.#parts.runFinished(record)
    const active = this.#active.get(record.runId)
    if (!active) return
    // Most runs settle in the same moment; then one script writes both.
    queueMicrotask(() => {
      if (!run.isSettled) active.written = this.#write(active, false)
    })
  }

  /** Writes the outcome. What Redis refuses is written again until it takes it: the guard is held meanwhile. */
  async #write(active: ActiveRun, isSettled: boolean): Promise<void> {
    const { run, claim } = active
    const { record } = run
    const field = isToBeRecovered(active) ? firstStartOf(record.runId) : record.runId
    for (let isFirst = true; this.#state !== 'closed'; isFirst = false) {
      try {
        const failures = await this.#parts.store.finishRun(record, claim.token, claim.keepRuns, isSettled, field)
        if (failures !== undefined) this.#parts.failuresCounted(record.worker, failures)
        else this.#logTakenOver(record)
        return
      } catch (err) {
        const { worker, runId } = record
        const message = 'the outcome of a run could not be written, it will be written again'
        if (isFirst) this.#parts.logger.error({ err, worker, runId }, message)
        await new Promise((resolve) => setTimeout(resolve, WRITE_AGAIN_MS))
      }
    }
  }

  #logTakenOver({ worker, runId }: RunRecord): void {
    this.#parts.logger.warn({ worker, runId }, 'a run ended after it had been taken from this instance')
  }

  /** What became of earlier starts of this run. */
  async #historyOf(job: Job, runId: string, stored: StoredWorker): Promise<'never-started' | 'ended' | 'to-recover'> {
    if (job.stalledCounter > 0) return this.#settleLost(runId, stored)
    // It has been given back: unstarted, or by a stop that aborted it.
    const wasAborted = job.attemptsStarted > 1 && (await this.#isToBeRecovered(runId, stored))
    return wasAborted ? 'to-recover' : 'never-started'
  }

  /** A run with `onCrash: 'recover'` whose first start has ended, and that has not been started again. */
  async #isToBeRecovered(runId: string, { name, definition }: StoredWorker): Promise<boolean> {
    const { store } = this.#parts
    if (definition?.policy.onCrash !== 'recover') return false
    return (await store.hasRecord(name, firstStartOf(runId))) && !(await store.hasRecord(name, runId))
  }

  /** A run whose process died: its first start is recorded as lost; says what is left to do. */
  async #settleLost(runId: string, stored: StoredWorker): Promise<'never-started' | 'ended' | 'to-recover'> {
    const { active, definition, name } = stored
    if (active?.record.runId !== runId)
      return (await this.#parts.store.hasRecord(name, runId)) ? 'ended' : 'never-started'
    if (active.isFinished) {
      await this.#parts.store.settleRun(name, active.token)
      return (await this.#isToBeRecovered(runId, stored)) ? 'to-recover' : 'ended'
    }
    const lostField = firstStartOf(runId)
    const mayRecover = definition?.policy.onCrash === 'recover' && !(await this.#parts.store.hasRecord(name, lostField))
    const lost: RunRecord = {
      ...active.record,
      finishedAt: new Date(this.#parts.clock.now()),
      outcome: 'lost',
      reason: 'crash',
    }
    const keepRuns = definition?.policy.keepRuns ?? 100
    const field = mayRecover ? lostField : runId
    const failures = await this.#parts.store.finishRun(lost, active.token, keepRuns, true, field)
    if (failures !== undefined) {
      this.#parts.logger.error({ worker: name, runId, instanceId: lost.instanceId }, 'run lost: its process died')
      this.#parts.runFinished(lost)
      this.#parts.failuresCounted(name, failures)
    }
    return mayRecover ? 'to-recover' : 'ended'
  }

  /**
   * The run that is active on the worker's former queue. When nobody takes that queue any more, nobody there finds out that
   * the process of the run has died: then it is recorded as lost here.
   */
  async activeElsewhere(stored: StoredWorker): Promise<string | undefined> {
    const { active, definition } = stored
    const { runQueues } = this.#parts
    const queue = active && runQueues.queueOf(active.token)
    if (!active || queue === undefined || queue === definition?.policy.queue) return undefined
    const { runId } = active.record
    if (this.#parts.isQueueTaken(queue) || (await runQueues.isLeased(queue, runId))) return runId
    await this.#settleLost(runId, stored)
    return undefined
  }

  /** Cancels a run that has not started: it waits for its jitter, or for a place. */
  async cancelWaiting(runId: string, stored: StoredWorker, by: string | undefined): Promise<boolean> {
    return this.#endJob(runId, stored, { outcome: 'aborted', reason: 'cancelled', ...(by !== undefined && { by }) })
  }

  /** A pause ends what waits: a slot that waits for its jitter, or for a place, is skipped. */
  async endWaiting(stored: StoredWorker): Promise<void> {
    const { definition, name } = stored
    if (!definition) return
    const runId = await this.#parts.runQueues.guardOf(definition.policy.queue, name)
    // What was triggered is not a slot, and runs while paused.
    const isSlotRun = runId !== undefined && /\.\d+$/.test(runId)
    if (isSlotRun && stored.active?.record.runId !== runId) {
      await this.#endJob(runId, stored, { outcome: 'skipped', reason: 'paused' })
    }
  }

  /** A removed worker: what waits is forgotten with it. */
  async forgetWaiting({ definition, waiting }: StoredWorker): Promise<void> {
    const job = definition && waiting && (await this.#parts.runQueues.getJob(definition.policy.queue, waiting.runId))
    // One that has just been taken finds the tombstone.
    await job?.remove().catch(() => {})
  }

  /** Records that a `runOnStart` met an active run. */
  async skipStart(
    data: RunJobData & { readonly runId: string },
    stored: StoredWorker,
    blockedBy: string,
  ): Promise<void> {
    await this.#recordNonRun({ data, runId: data.runId, stored }, { outcome: 'skipped', reason: 'overlap', blockedBy })
  }

  /** Resolves when Redis has taken the job of a run back. */
  async jobDone(runId: string, drained: Promise<void>): Promise<void> {
    await drained
    await this.#active.get(runId)?.jobDone.promise
  }

  /** BullMQ is done with the job of a run. */
  noteJobDone(job: Job): void {
    const active = this.#active.get(job.id ?? '')
    // The same run may have come back, as another job.
    if (active?.job !== job) return
    active.jobDone.resolve()
    this.#active.delete(active.run.plan.runId)
  }

  async #endJob(runId: string, stored: StoredWorker, decided: Partial<RunRecord>): Promise<boolean> {
    const job = await this.#parts.runQueues.getJob(stored.definition?.policy.queue ?? 'default', runId)
    const data = job && readRunJob(job)
    // BullMQ keeps the job of a run that did not succeed for its own tools; what has a record does not wait.
    if (!job || !data || (await this.#parts.store.hasRecord(data.worker, runId))) return false
    try {
      await job.remove()
    } catch {
      // It is locked: it has just been taken, so it no longer waits.
      return false
    }
    // A manual run that is cancelled before it starts was no slot; it is recorded all the same.
    await this.#recordNonRun({ data, runId, stored }, decided)
    return true
  }

  /** BullMQ has given up on a run whose process died again and again. */
  async recordLost(job: Job): Promise<void> {
    const data = readRunJob(job)
    if (data && job.id !== undefined) await this.#settleLost(job.id, await this.#parts.store.read(data.worker))
  }

  async #handBack(runCase: RunCase): Promise<undefined> {
    const { job, data, runId, stored, queue } = runCase
    const handBacks = job.attemptsStarted - 1 - job.stalledCounter
    // Where one instance of many has the worker, it may take more; as long as there is one, the run is not given up.
    const isGivenUp = handBacks >= MAX_HAND_BACKS && !(await this.#parts.isDeclared(data.worker, queue))
    if (stored.orphanedAt !== undefined || isGivenUp) {
      return this.#recordNonRun(runCase, { outcome: 'missed', reason: 'no-handler' })
    }
    this.#parts.runHandedBack(data.worker, runId)
    return this.#putOff(runCase, HAND_BACK_MS)
  }

  /** What Redis refused to decide (full memory, a key of another type) is tried again; at last its job fails. */
  async #decideLater(job: Job, token: string | undefined, error: unknown): Promise<never> {
    if (error instanceof DelayedError || error instanceof WaitingError || this.#state !== 'open') throw error
    if (job.attemptsStarted === 1) {
      this.#parts.logger.error({ err: withoutCommand(error), runId: job.id }, 'a run could not be decided')
    }
    if (job.attemptsStarted > MAX_HAND_BACKS) throw error
    await job.moveToDelayed(Date.now() + HAND_BACK_MS, token)
    throw new DelayedError()
  }

  /** Never moveToWait: that would be a hot loop of 870 hand-backs a second. */
  async #putOff({ job, token }: Pick<RunCase, 'job' | 'token'>, delayMs: number): Promise<undefined> {
    await job.moveToDelayed(Date.now() + delayMs, token)
    throw new DelayedError()
  }

  async #recordNonRun(
    { data, runId, stored }: Pick<RunCase, 'data' | 'runId' | 'stored'>,
    decided: Partial<RunRecord>,
  ): Promise<undefined> {
    const record: RunRecord = {
      runId,
      worker: data.worker,
      kind: data.kind,
      scheduledFor: new Date(data.slot),
      ...(data.missedSlots > 0 && { missedSlots: data.missedSlots }),
      attempts: 0,
      instanceId: this.#parts.instanceId,
      ...decided,
      finishedAt: new Date(this.#parts.clock.now()),
    }
    const keepRuns = stored.definition?.policy.keepRuns ?? 100
    const slot = isSlot(data) ? data.slot : undefined
    if (stored.waiting?.runId === runId) await this.#parts.store.clearWaiting(data.worker)
    if (!(await this.#parts.store.decideNonRun(record, slot, keepRuns, undefined))) return
    if (record.outcome === 'aborted') this.#parts.runFinished(record)
    else this.#parts.slotSkipped(record)
  }
}

/** The record of the first start of a run that is started again goes under this name. */
function firstStartOf(runId: string): string {
  return `${runId}~first`
}

/** A stop has aborted it, and its policy wants it run again. */
function isToBeRecovered({ run, claim }: ActiveRun): boolean {
  return run.record.reason === 'stop' && run.plan.policy.onCrash === 'recover' && !claim.isRecovery
}

function isSlot({ kind }: RunJobData): boolean {
  return kind === 'scheduled' || kind === 'catch-up'
}

/** A run that was fetched and not started goes back to the queue, for another instance or the next start. */
async function giveBack(job: Job, token: string | undefined): Promise<never> {
  await job.moveToWait(token)
  throw new WaitingError()
}
