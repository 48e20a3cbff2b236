import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { IBackgroundWorker } from '../../background-worker.ts'
import { decideSlot } from '../../decide-slot.ts'
import { WorkerBusyError } from '../../errors.ts'
import type { IBackgroundWorkerManager, StopOptions, StopReport } from '../../manager.ts'
import type { ManagerEventName, ManagerEvents } from '../../manager-events.ts'
import type { ManagerOptions } from '../../manager-options.ts'
import type { RunRecord } from '../../run-record.ts'
import { type Schedule, cron, every } from '../../schedule.ts'
import type { WorkerStatus } from '../../worker-status.ts'
import { callEach } from '../contract-suite.ts'
import { type LogLine, RecordingLogger } from '../recording-logger.ts'
import { Gate, type ProbeParts, ProbeWorker } from './probe-worker.ts'
import { checkRecord, checkStatus } from './shapes.ts'

/** What the application of a test is made of. */
export interface TestApplicationParts {
  readonly createManager: (options: ManagerOptions) => IBackgroundWorkerManager | Promise<IBackgroundWorkerManager>
  readonly advance: (ms: number) => unknown
  readonly cleanUp: (manager: IBackgroundWorkerManager) => unknown
  readonly shortPeriodMs: number
  readonly minPeriodMs: number
}

/** 29 February: no slot comes while a test runs. */
export const rarely: Schedule = cron('0 0 29 2 *')

/** The application of one test: its managers, its log, and its time. Nothing in it is shared with another test. */
export class TestApplication {
  readonly applicationName = `contract-${randomUUID()}`
  /** What every manager of the application logs to. */
  readonly logger = new RecordingLogger()
  readonly #parts: TestApplicationParts
  readonly #managers: IBackgroundWorkerManager[] = []
  readonly #gates: Gate[] = []

  constructor(parts: TestApplicationParts) {
    this.#parts = parts
  }

  /** A short period, in ms. */
  get periodMs(): number {
    return this.#parts.shortPeriodMs
  }

  /** The smallest period that the manager takes, in ms. */
  get minPeriodMs(): number {
    return this.#parts.minPeriodMs
  }

  /** A manager that has not started. The second one is a new process of the same application. */
  async create(options: ManagerOptions = {}): Promise<IBackgroundWorkerManager> {
    const manager = await this.#parts.createManager({
      applicationName: this.applicationName,
      logger: this.logger,
      ...options,
    })
    this.#managers.push(manager)
    return manager
  }

  /** A manager that runs these workers. */
  async start(
    workers: readonly IBackgroundWorker[] = [],
    options: ManagerOptions = {},
  ): Promise<IBackgroundWorkerManager> {
    const manager = await this.create(options)
    for (const worker of workers) await manager.add(worker)
    await manager.start()
    return manager
  }

  /** Stops a manager and lets the time pass that this takes. */
  stop(manager: IBackgroundWorkerManager, options?: StopOptions): Promise<StopReport> {
    return this.during(manager.stop(options))
  }

  /** A worker that has a slot in every short period. */
  frequentWorker(parts: Partial<ProbeParts> = {}): ProbeWorker {
    return new ProbeWorker({ name: 'frequent', schedule: every(this.periodMs), ...parts })
  }

  /** A worker that has no slot while the test runs: what runs is triggered. */
  rareWorker(parts: Partial<ProbeParts> = {}): ProbeWorker {
    return new ProbeWorker({ name: 'rare', schedule: rarely, ...parts })
  }

  /** What holds work up; it opens at the end of the test, if not before. */
  gate(): Gate {
    const gate = new Gate()
    this.#gates.push(gate)
    return gate
  }

  /** Lets short periods pass. Where something is to happen, wait for that instead. */
  async pass(periods: number): Promise<void> {
    const endsAfterMs = periods * this.periodMs
    for (let passedMs = 0; passedMs < endsAfterMs; passedMs += this.#stepMs) await this.#parts.advance(this.#stepMs)
  }

  /** Lets time pass until `fact` gives something, and gives that. */
  async until<T>(what: string, fact: () => T | Promise<T>): Promise<Exclude<T, undefined | null | false | 0>> {
    const mostMs = Math.max(60 * this.periodMs, 3_000)
    for (let passedMs = 0; ; passedMs += this.#stepMs) {
      const value = await fact()
      if (value) return value as Exclude<T, undefined | null | false | 0>
      if (passedMs >= mostMs) assert.fail(`Waited ${mostMs} ms in vain until ${what}.`)
      await this.#parts.advance(this.#stepMs)
    }
  }

  /** Lets time pass until `promise` settles. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = () => {
      isSettled = true
    }
    const settled = promise.then(settle, settle)
    for (let passedMs = 0; !isSettled && passedMs < MOST_WAIT_MS; passedMs += this.#stepMs) {
      await this.#parts.advance(this.#stepMs)
    }
    if (!isSettled) assert.fail(`Waited ${MOST_WAIT_MS} ms in vain for a promise.`)
    await settled
    return promise
  }

  /** Lets time pass until `doWork` has been called `count` times. */
  async untilCalled(worker: ProbeWorker, count = 1): Promise<void> {
    await this.until(
      `"${worker.name}" has been called ${count} times (it was ${worker.calls.length} times)`,
      () => worker.calls.length >= count,
    )
  }

  /** The records of a worker, newest first; each has the shape that all managers share. */
  async records(manager: IBackgroundWorkerManager, name: string): Promise<RunRecord[]> {
    const records = await manager.runs(name)
    for (const record of records) checkRecord(record)
    return records
  }

  /** Lets time pass until a worker has a record that fits, and gives it. */
  untilRecord(manager: IBackgroundWorkerManager, name: string, fields: Partial<RunRecord>): Promise<RunRecord> {
    return this.until(`"${name}" has a record with ${JSON.stringify(fields)}`, async () => {
      const records = await this.records(manager, name)
      return records.find((record) =>
        Object.entries(fields).every(([key, value]) => record[key as keyof RunRecord] === value),
      )
    })
  }

  /** Lets time pass until a run has its outcome, and gives the record. */
  untilFinished(manager: IBackgroundWorkerManager, name: string, runId: string): Promise<RunRecord> {
    return this.until(`run "${runId}" has an outcome`, async () => {
      const records = await this.records(manager, name)
      return records.find((record) => record.runId === runId && record.outcome !== undefined)
    })
  }

  /** Triggers a run and lets time pass until it has its outcome. */
  async run(manager: IBackgroundWorkerManager, name: string): Promise<RunRecord> {
    return this.untilFinished(manager, name, await this.trigger(manager, name))
  }

  /** Triggers a run as soon as none is in its way: one that is no longer active may be, for a moment. */
  trigger(manager: IBackgroundWorkerManager, name: string): Promise<string> {
    return this.until(`"${name}" can be triggered`, () =>
      manager.trigger(name).catch((error) => {
        if (error instanceof WorkerBusyError) return undefined
        throw error
      }),
    )
  }

  /** Starts a manager with the worker `rare`, of which a triggered run has failed and waits for its retry in an hour. */
  async startWithRetry(): Promise<{ manager: IBackgroundWorkerManager; worker: ProbeWorker; runId: string }> {
    const worker = this.rareWorker({
      policy: { retry: { attempts: 2, backoffMs: 3_600_000 } },
      doWork: () => Promise.reject(new Error('not yet')),
    })
    const manager = await this.start([worker])
    const retries = this.listen(manager, 'run-retrying')
    const runId = await manager.trigger('rare')
    await this.until('the run waits for its retry', () => retries.length)
    return { manager, worker, runId }
  }

  /** Lets time pass until no run is active: only then the worker may run again. */
  async untilIdle(manager: IBackgroundWorkerManager, name: string): Promise<void> {
    await this.until(`"${name}" is not active`, async () => (await this.status(manager, name)).activeRun === undefined)
  }

  /** The status of a known worker; it has the shape that all managers share. */
  async status(manager: IBackgroundWorkerManager, name: string): Promise<WorkerStatus> {
    const status = await manager.get(name)
    assert.ok(status, `"${name}" is known`)
    checkStatus(status)
    return status
  }

  /** Lets time pass until the status fits, and gives it. */
  untilStatus(
    manager: IBackgroundWorkerManager,
    name: string,
    what: string,
    fits: (status: WorkerStatus) => unknown,
  ): Promise<WorkerStatus> {
    return this.until(`the status of "${name}" ${what}`, async () => {
      const status = await this.status(manager, name)
      return fits(status) ? status : undefined
    })
  }

  /**
   * Starts a manager with the worker `rare`, of which a slot waits for its jitter: for at least 5 short periods, so that a slow
   * machine can act on that, and for at most 10.
   */
  async startWaiting(): Promise<{ manager: IBackgroundWorkerManager; worker: ProbeWorker; runId: string }> {
    const worker = this.rareWorker({ policy: { jitterMs: 120_000 } })
    const manager = await this.start([worker])
    const { policy } = await this.status(manager, 'rare')
    assert.ok(policy)
    const waitMs = (dueAt: number) => {
      const slot = { dueAt, nextDueAt: dueAt + DAY_MS, missedSlots: 0 }
      const decision = decideSlot({ name: 'rare', policy }, { paused: false }, slot, dueAt)
      return decision.kind === 'run' ? decision.startAt - dueAt : 0
    }
    for (let lead = 2; ; lead *= 2) {
      const { scheduledFor: now } = await this.run(manager, 'rare')
      let dueAt = now.getTime() + lead * this.periodMs
      while (waitMs(dueAt) < 5 * this.periodMs || waitMs(dueAt) > 10 * this.periodMs) dueAt++
      await manager.reschedule('rare', every(DAY_MS, { offset: dueAt % DAY_MS }))
      const { nextDueAt: armedFor } = await this.status(manager, 'rare')
      // On a slow machine it may have passed before.
      if (armedFor?.getTime() === dueAt) break
    }
    const { runId } = await this.until('a slot waits for its jitter', async () => {
      const { activeRun } = await this.status(manager, 'rare')
      return activeRun && !activeRun.startedAt ? activeRun : undefined
    })
    return { manager, worker, runId }
  }

  /** The payloads of an event from now on, oldest first. */
  listen<Name extends ManagerEventName>(manager: IBackgroundWorkerManager, event: Name): ManagerEvents[Name][] {
    const payloads: ManagerEvents[Name][] = []
    manager.on(event, (payload) => payloads.push(payload))
    return payloads
  }

  /** The log lines that have an error and tell of this worker. */
  errorLines(worker: string): LogLine[] {
    return this.logger.lines.filter(({ data }) => 'err' in data && data.worker === worker)
  }

  /** Lets everything pass that was held up, stops all managers and hands them to the one who made them. */
  async end(): Promise<void> {
    for (const gate of this.#gates) gate.open()
    await callEach([
      ...this.#managers.map((manager) => () => this.stop(manager, { timeoutMs: this.periodMs })),
      ...this.#managers.map((manager) => () => this.#parts.cleanUp(manager)),
    ])
  }

  get #stepMs(): number {
    return Math.max(1, Math.round(this.periodMs / 20))
  }
}

const DAY_MS = 86_400_000

/** Longer than any time limit that a test sets. */
const MOST_WAIT_MS = 60_000
