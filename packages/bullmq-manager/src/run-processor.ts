import type { FinishedRunRecord, RunRecord } from '@background-workers/abstractions'
import {
  LeaseLostError,
  ManagerStoppedError,
  Run,
  type RunHost,
  type SafeLogger,
  describeError,
  systemClock,
  waitFor,
} from '@background-workers/abstractions/for-managers'
import { type Job, UnrecoverableError, WaitingError } from 'bullmq'
import { type ActiveRun, ActiveRuns } from './active-runs.ts'
import type { DecidedMarks } from './decided-marks.ts'
import { type FetchedJob, HAND_BACK_MS, giveBack, isGivenBack, leaveActive, putOff } from './hand-back.ts'
import type { Leases } from './leases.ts'
import { isRefusal, withoutCommand } from './redis-error.ts'
import type { RunPlanner } from './run-planner.ts'
import { type RunJobData, readRunJob } from './run-queues.ts'
import { type RunClaim, type Store, firstStartOf } from './store.ts'

/** What the runs of this instance need of their session, and tell it. */
export interface RunProcessorParts {
  readonly store: Store
  readonly decidedMarks: DecidedMarks
  readonly planner: RunPlanner
  readonly leases: Leases
  readonly logger: SafeLogger
  readonly runHost: Omit<RunHost, 'runFinished' | 'runSettled'>
  /** The run of this worker that goes on here since before an earlier stop, if one does. */
  abandonedRun(worker: string): string | undefined
  /** Records that a run does not start, and why. */
  giveUp(job: Job, why: Pick<RunRecord, 'reason' | 'error'>): Promise<void>
  runStarted(record: RunRecord): void
  runFinished(record: FinishedRunRecord): void
  /** Its outcome is in the store: so many runs in a row have failed. */
  failuresCounted(record: RunRecord, consecutiveFailures: number): void
  runSettled(record: RunRecord): void
}

/** How long to wait before what Redis refused (full memory, read-only) is written again. */
const WRITE_AGAIN_MS = 1_000

/** How often it is tried to decide a run before it is given up. */
const MAX_DECISIONS = 6

/** How often a run is planned in one such try, as others change what it was planned by. */
const MAX_PLANS = 10

/** The runs of this instance: takes run jobs, has each decided by the store, and calls `doWork` through the shared pipeline. */
export class RunProcessor {
  readonly #parts: RunProcessorParts
  readonly #active = new ActiveRuns()
  readonly #host: RunHost
  /** By worker: the last run of it that could not be decided here, and how often it was tried. */
  readonly #failedDecisions = new Map<string, { readonly runId: string; readonly count: number }>()
  #undecided = 0
  #allDecided: PromiseWithResolvers<void> | undefined
  #state: 'open' | 'draining' | 'closed' = 'open'
  /** Ends the waits to write again. */
  readonly #waiting = new Set<() => void>()

  constructor(parts: RunProcessorParts) {
    this.#parts = parts
    this.#host = {
      ...parts.runHost,
      runFinished: (run) => this.#runFinished(run, run.finishedRecord),
      runSettled: (run) => this.#active.get(run.plan.runId)?.settled.resolve(),
    }
  }

  activeRuns(): Run[] {
    return [...this.#active].map(({ run }) => run)
  }

  activeRun(runId: string): Run | undefined {
    return this.#active.get(runId)?.run
  }

  /** The run, unless it has lost its lease: its outcome is fixed, and another instance may have started it once more. */
  heldRun(runId: string): Run | undefined {
    const run = this.activeRun(runId)
    return run?.end?.reason === 'lease-lost' ? undefined : run
  }

  /** The run of this worker that goes on here: one that has lost its lease keeps no guard in Redis, nor one that a stop has left. */
  unsettledRun(worker: string): string | undefined {
    for (const { run } of this.#active) if (run.plan.worker.name === worker && !run.isSettled) return run.plan.runId
    return this.#parts.abandonedRun(worker)
  }

  /** From now on no run starts or is repeated, and every job goes back. Resolves when what was being decided is. */
  async drain(): Promise<void> {
    this.#state = 'draining'
    for (const { run } of this.#active) run.endRetries()
    if (this.#undecided === 0) return
    this.#allDecided ??= Promise.withResolvers()
    await this.#allDecided.promise
  }

  /** A pause: a run of this worker that waits for its retry ends. One that was triggered since is repeated. */
  endRetries(worker: string, since: Date): void {
    for (const { run } of this.#active) {
      const isTriggeredSince = run.plan.kind === 'manual' && run.startedAtMs > since.getTime()
      if (run.plan.worker.name === worker && !isTriggeredSince) run.endRetries()
    }
  }

  /**
   * Ends the runs that a stop has left to their callers, as they wait for it themselves: nobody renews their leases from here on,
   * and how they end could not be written any more. Resolves when that is written.
   */
  async endLeftToCaller(): Promise<void> {
    const left = [...this.#active].filter(({ run }) => !run.isFinished)
    for (const active of left) {
      const { runId } = active.run.plan
      active.endedByOwnStop = true
      active.run.abort(new ManagerStoppedError(`Run "${runId}" has called stop, and its manager does not wait for it.`))
    }
    // They are written from the next microtask on.
    await Promise.resolve()
    await Promise.all(left.flatMap(({ written }) => written ?? []))
  }

  /** No outcome is written again. */
  close(): void {
    this.#state = 'closed'
    for (const wake of this.#waiting) wake()
    for (const { run } of this.#active) run.abandon()
  }

  /** The leases of these runs could not be renewed: somebody else may take them over. */
  loseLeases(runIds: readonly string[]): void {
    for (const runId of runIds) {
      const run = this.activeRun(runId)
      run?.abort(new LeaseLostError(run.record.worker, runId))
    }
  }

  /** Resolves when a stop need not wait for a run any longer: Redis has taken its job back, or it waits for the stop itself. */
  async jobDone(runId: string, drained: Promise<void>): Promise<void> {
    await drained
    const active = this.#active.get(runId)
    if (!active?.run.isSettled) return
    active.jobDone ??= Promise.withResolvers()
    await active.jobDone.promise
  }

  /** BullMQ is done with the job of a run. */
  noteJobDone(job: Job): void {
    const active = this.#active.get(job.id ?? '')
    // The same run may have come back, as another job.
    if (active?.job !== job) return
    active.jobDone?.resolve()
    this.#active.delete(active)
  }

  /** Processes a run job. It stays active, and so keeps the guard, until `doWork` has settled. */
  async process(queue: string, fetched: FetchedJob): Promise<void> {
    this.#parts.leases.add(fetched)
    try {
      await this.#process(queue, fetched)
    } finally {
      this.#parts.leases.remove(fetched)
    }
  }

  async #process(queue: string, fetched: FetchedJob): Promise<void> {
    let active: ActiveRun | undefined
    this.#undecided++
    try {
      active = await this.#decide(queue, fetched)
    } catch (error) {
      return await this.#decideLater(fetched, error)
    } finally {
      if (--this.#undecided === 0) this.#allDecided?.resolve()
    }
    if (active) await this.#carryOut(active)
  }

  get #isStopping(): boolean {
    return this.#state !== 'open'
  }

  get #isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** Gives the run if it is this instance that may start it. */
  async #decide(queue: string, fetched: FetchedJob, plans = 1): Promise<ActiveRun | undefined> {
    const { job, token } = fetched
    const data = readRunJob(job)
    const runId = job.id
    if (!data || runId === undefined) {
      this.#parts.logger.warn({ jobId: runId }, 'a job in a run queue is not ours, it is dropped')
      return undefined
    }
    // It has come back here, where its first start is not over: that keeps the guard.
    if (this.activeRun(runId) || this.#parts.abandonedRun(data.worker) === runId) {
      this.loseLeases([runId])
      return putOff({ job, token }, HAND_BACK_MS)
    }
    // It is not planned: its worker may be stopped already, and would pass for one that was not added here.
    if (this.#isStopping) return giveBack({ job, token })
    const planned = await this.#parts.planner.plan({ job, token, runId, queue, data }, plans > 1)
    if (!planned) return undefined
    if (this.#isStopping) return giveBack({ job, token })
    const { plan, claim } = planned
    const run = new Run(plan, this.#host)
    const decision = await this.#parts.store
      .decideRun(run.record, claim)
      .catch((error: unknown) => this.#decisionFailed(run.record, error))
    // Its first start, which lost its lease while it was decided, may have been decided since this one looked for it.
    const hasComeBack = job.stalledCounter > 0 && plans === 1
    if (decision === 'plan-again' || (decision === 'refused' && hasComeBack)) {
      if (plans >= MAX_PLANS) {
        throw new Error(`Run "${runId}" is never as it was planned: what is stored of its worker may be damaged.`)
      }
      return this.#decide(queue, fetched, plans + 1)
    }
    if (decision === 'refused') return undefined
    plan.lastSucceededAtMs = decision.lastSucceededAtMs
    this.#failedDecisions.delete(data.worker)
    if (claim.slot !== undefined) this.#parts.decidedMarks.delete(data.worker, claim.slot)
    // Redis or this process stood still for so long that somebody else may have the run: the job stays active (this error
    // leaves it alone), and whoever finds it records the run as lost.
    if (!this.#parts.leases.isHeld(fetched)) {
      this.#parts.logger.warn({ worker: plan.worker.name, runId }, 'a run lost its lease before it could start')
      throw new WaitingError()
    }
    if (this.#isStopping) return this.#takeBack(run.record, claim, { job, token })
    const settled = Promise.withResolvers<void>()
    const active: ActiveRun = {
      run,
      job,
      token,
      claim,
      settled,
      jobDone: undefined,
      written: undefined,
      endedByOwnStop: false,
    }
    this.#active.add(active)
    return active
  }

  /**
   * Where it was not Redis that refused (the client of a Cluster gives up after a while), the run may have been decided all the same:
   * put off, it would be refused then, and have no outcome.
   */
  #decisionFailed({ worker, runId }: RunRecord, error: unknown): never {
    if (isRefusal(error)) throw error
    const err = withoutCommand(error)
    this.#parts.logger.error({ err, worker, runId }, 'nobody knows whether a run was decided, until it is found')
    return leaveActive(err)
  }

  /** A stop came while Redis decided the run, and takes none: it goes back as it was, to be decided by another start. */
  async #takeBack(record: RunRecord, claim: RunClaim, fetched: FetchedJob): Promise<never> {
    // Else the job stays active, so whoever finds it records the run as lost.
    if (!(await this.#parts.store.undecideRun(record, claim))) throw new WaitingError()
    return giveBack(fetched)
  }

  /** What Redis refused to decide (full memory, a key of another type) is tried again; at last it is missed, and its job fails. */
  async #decideLater(fetched: FetchedJob, error: unknown): Promise<never> {
    if (isGivenBack(error) || this.#isStopping) return leaveActive(error)
    const { job } = fetched
    const count = this.#countFailedDecision(job)
    if (count === 1 || count === MAX_DECISIONS) {
      this.#parts.logger.error({ err: withoutCommand(error), runId: job.id }, 'a run could not be decided')
    }
    if (count >= MAX_DECISIONS && (await this.#giveUp(job, error))) throw error
    return putOff(fetched, HAND_BACK_MS).catch(leaveActive)
  }

  /** What the job has been put off for besides, as for a worker that is still starting, does not count. */
  #countFailedDecision({ id: runId = '', data }: Job): number {
    const { worker } = data as RunJobData
    const before = this.#failedDecisions.get(worker)
    const count = before?.runId === runId ? before.count + 1 : 1
    this.#failedDecisions.set(worker, { runId, count })
    return count
  }

  /** Gives `false` when Redis refuses that, too: without a record its slot would be left without a decision. */
  async #giveUp(job: Job, error: unknown): Promise<boolean> {
    try {
      await this.#parts.giveUp(job, { reason: 'no-handler', error: describeError(withoutCommand(error)) })
      return true
    } catch {
      return false
    }
  }

  async #carryOut(active: ActiveRun): Promise<void> {
    const { run, claim, job } = active
    const { store } = this.#parts
    this.#parts.runStarted(run.record)
    run.start()
    await active.settled.promise
    const isWritten = active.written !== undefined
    await (active.written ?? this.#write(active, true))
    const { worker, outcome, reason, error } = run.record
    if (isWritten) await this.#untilTaken(run.record, 'the end', () => store.settleRun(worker, claim.token))
    this.#parts.runSettled(run.record)
    // Its job is somebody else's now, and is left alone.
    if (reason === 'lease-lost') throw new WaitingError()
    if (isToBeRecovered(active)) {
      const given = giveBack(active).catch(leaveActive)
      await given.catch(() => this.noteJobDone(job))
      return given
    }
    // The job fails as well, so that BullMQ's own tools show it.
    if (outcome !== 'succeeded') throw new UnrecoverableError(error?.message ?? outcome)
  }

  #runFinished(run: Run, record: FinishedRunRecord): void {
    this.#parts.runFinished(record)
    const active = this.#active.get(record.runId)
    if (!active) return
    // Most runs settle in the same moment; then one script writes both.
    queueMicrotask(() => {
      if (!run.isSettled) active.written = this.#write(active, false)
    })
  }

  async #write(active: ActiveRun, isSettled: boolean): Promise<void> {
    const { run, claim } = active
    const { record } = run
    const { worker, runId } = record
    const field = isToBeRecovered(active) ? firstStartOf(runId) : runId
    await this.#untilTaken(record, 'the outcome', async () => {
      const failures = await this.#parts.store.finishRun(record, claim.token, claim.keepRuns, isSettled, field)
      if (failures !== undefined) this.#parts.failuresCounted(record, failures)
      else this.#parts.logger.warn({ worker, runId }, 'a run ended after it had been taken from this instance')
    })
  }

  /** Writes what Redis refuses again until it takes it, or the session is closed: the guard is held meanwhile. */
  async #untilTaken({ worker, runId }: RunRecord, what: string, write: () => Promise<void>): Promise<void> {
    let failure: { readonly err: unknown } | undefined
    while (!this.#isClosed) {
      try {
        await write()
        return
      } catch (err) {
        const message = `${what} of a run could not be written, it will be written again`
        const isFirst = !failure
        failure = { err }
        if (this.#isClosed) break
        if (isFirst) this.#parts.logger.error({ err, worker, runId }, message)
        const woken = Promise.withResolvers<void>()
        this.#waiting.add(woken.resolve)
        await waitFor(woken.promise, WRITE_AGAIN_MS, systemClock)
        this.#waiting.delete(woken.resolve)
      }
    }
    if (failure)
      this.#parts.logger.error({ ...failure, worker, runId }, `${what} of a run was not written before the stop`)
  }
}

/** A stop has aborted it in mid-work, and its policy wants it run again. */
function isToBeRecovered({ run, claim, endedByOwnStop }: ActiveRun): boolean {
  const isCutOff = run.record.reason === 'stop' && !endedByOwnStop
  return isCutOff && run.plan.policy.onCrash === 'recover' && !claim.isRecovery
}
