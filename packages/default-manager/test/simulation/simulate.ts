import assert from 'node:assert/strict'
import {
  AsyncPeriodicBackgroundWorkerBase,
  DuplicateWorkerError,
  ManagerStoppedError,
  type PeriodicBackgroundWorkerContext,
  type PeriodicWorkerPolicy,
  type Schedule,
  UnknownWorkerError,
  WorkerBusyError,
  type WorkerStatus,
} from '@background-workers/abstractions'
import { ManualClock } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '../../src/default-background-worker-manager.ts'
import { CALM_AFTER_MS, Model, type ModelRun } from './model.ts'
import { type Behaviour, type Command, type Script, WORKERS, describeCommand, readCommand } from './script.ts'

/** More slots than this in one advance say nothing new. */
const MOST_SLOTS = 12

/** Plays a script on a manager and on the model. Gives how often each kind of decision was seen. */
export async function simulate(script: Script): Promise<Record<string, number>> {
  const simulation = new Simulation()
  let step = 0
  try {
    for (const bits of script.steps) {
      step++
      await simulation.play(readCommand(bits))
    }
    await simulation.end()
  } catch (cause) {
    script.failedAfter = step
    const last = script.steps[step - 1]
    const command = last === undefined ? 'the start' : describeCommand(readCommand(last))
    throw new Error(`after step ${step} (${command}): ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
  return simulation.decisions
}

const calmBehaviour: Behaviour = { durationMs: 0, fails: false, isHeedful: true }
const failure = new Error('simulated')

class Simulation {
  readonly #clock = new ManualClock()
  readonly #manager = new DefaultBackgroundWorkerManager({ clock: this.#clock })
  readonly #model = new Model(this.#clock)
  readonly #behaviours = new Map<string, Behaviour>()
  #problem: unknown

  constructor() {
    const model = this.#model
    this.#manager.on('run-started', (record) => this.#tell(() => model.runStarted(record)))
    this.#manager.on('run-skipped', (record) => this.#tell(() => model.runSkipped(record)))
    this.#manager.on('run-finished', (record) => this.#tell(() => model.runFinished(record)))
    this.#manager.on('run-retrying', (retry) => this.#tell(() => model.runRetrying(retry)))
    this.#manager.on('schedules-repaired', (repair) => this.#tell(() => model.schedulesRepaired(repair)))
    this.#manager.on('worker-stuck', (stuck) => this.#tell(() => model.workerStuck(stuck)))
    this.#manager.on('worker-start-failed', ({ error }) => this.#tell(() => assert.fail(String(error))))
  }

  get decisions(): Record<string, number> {
    return this.#model.decisions
  }

  async play(command: Command): Promise<void> {
    await this.#carryOut(command)
    if (command.kind === 'behave' || command.kind === 'look') return
    // An advance has waited for what it set off.
    if (command.kind !== 'advance') await this.#clock.settle()
    await this.#check()
  }

  /** Ends the disturbances: within a minute every worker is on time again, and a stop leaves nothing. */
  async end(): Promise<void> {
    for (const worker of WORKERS) this.#behaviours.set(worker, calmBehaviour)
    for (let waits = 0; this.#model.stopping && waits < 4; waits++) await this.#advance(10_000)
    await this.play({ kind: 'start' })
    for (const worker of WORKERS) await this.play({ kind: 'resume', worker })
    await this.#advance(CALM_AFTER_MS + 1)
    for (let minute = 0; minute < 3; minute++) await this.#advance(60_000)
    for (const worker of WORKERS) await this.play({ kind: 'look', worker })
    await this.play({ kind: 'stop', timeoutMs: 1 })
    // What a run of the worst behaviour still waits for.
    await this.#advance(200_000)
    assert.equal(this.#clock.timerCount, 0, 'a stop leaves no timer')
  }

  async #carryOut(command: Command): Promise<void> {
    const model = this.#model
    const manager = this.#manager
    switch (command.kind) {
      case 'advance':
        await this.#clock.advance(Math.min(command.ms, this.#mostMs()))
        return
      case 'step':
      case 'sleep':
        model.disturb(command.ms)
        this.#clock.step(command.ms)
        return
      case 'behave':
        this.#behaviours.set(command.worker, command.behaviour)
        return
      case 'start':
        if (model.isWorking || model.isStartWanted) return
        model.isStartWanted = true
        // It may have to wait for a stop, and then starts in the middle of a later step.
        void manager.start().then(() => this.#tell(() => {}))
        return
      case 'stop':
        if (!model.isWorking) return
        model.stop(command.timeoutMs)
        void manager.stop({ timeoutMs: command.timeoutMs }).then((report) => this.#tell(() => model.stopped(report)))
        return
      case 'add':
      case 'remove':
      case 'trigger':
      case 'cancel':
      case 'pause':
      case 'resume':
      case 'reschedule':
      case 'look':
        await this.#call(command)
    }
  }

  async #call(command: Extract<Command, { readonly worker: string }>): Promise<void> {
    const model = this.#model
    const manager = this.#manager
    const { worker } = command
    const isThere = model.worker(worker).entry !== undefined
    switch (command.kind) {
      case 'add': {
        const simulated = this.#createWorker(worker, command.slots.schedule, command.policy)
        if (isThere) return refuse(manager.add(simulated), DuplicateWorkerError)
        model.add(worker, command.slots, command.policy)
        return manager.add(simulated)
      }
      case 'remove':
        model.remove(worker)
        assert.equal(await manager.remove(worker), isThere)
        return
      case 'trigger': {
        const activeRunId = model.activeRunId(worker)
        if (!isThere) return refuse(manager.trigger(worker), UnknownWorkerError)
        if (!model.isWorking) return refuse(manager.trigger(worker), ManagerStoppedError)
        if (activeRunId !== undefined) {
          const busy = await thrownBy(manager.trigger(worker), WorkerBusyError)
          assert.equal(busy.activeRunId, activeRunId)
          return
        }
        model.allow('trigger', worker)
        await manager.trigger(worker)
        model.allowNothing()
        return
      }
      case 'cancel': {
        const runId = model.activeRunId(worker)
        if (runId === undefined) return
        const isOver = model.worker(worker).run?.outcome !== undefined
        model.allow('cancel', worker)
        assert.equal(await manager.cancel(runId), !isOver, 'a cancel says whether it aborted the run')
        model.allowNothing()
        return
      }
      case 'pause':
        if (!isThere) return refuse(manager.pause(worker), UnknownWorkerError)
        model.pause(worker)
        model.allow('pause', worker)
        await manager.pause(worker)
        model.allowNothing()
        assert.equal(model.worker(worker).waiting, undefined, 'a pause ends what waits')
        return
      case 'resume':
        if (!isThere) return refuse(manager.resume(worker), UnknownWorkerError)
        model.resume(worker)
        return manager.resume(worker)
      case 'reschedule':
        if (!isThere) return refuse(manager.reschedule(worker, undefined), UnknownWorkerError)
        model.reschedule(worker, command.slots)
        return manager.reschedule(worker, command.slots?.schedule)
      case 'behave':
        return
      case 'look':
        model.checkStatus(worker, await manager.get(worker))
        return
      default:
        command satisfies never
    }
  }

  async #advance(ms: number): Promise<void> {
    await this.#clock.advance(ms)
    await this.#check()
  }

  /** How far the clock may go, so that the fastest worker has not too many slots. */
  #mostMs(): number {
    let mostMs = Number.POSITIVE_INFINITY
    for (const name of WORKERS) {
      const { entry } = this.#model.worker(name)
      if (entry?.next === undefined) continue
      mostMs = Math.min(mostMs, MOST_SLOTS * (entry.override ?? entry.declared).shortestGapMs)
    }
    return mostMs
  }

  async #check(): Promise<void> {
    const unclear = this.#model.unclear()
    const statuses = new Map<string, WorkerStatus | undefined>()
    for (const name of unclear) statuses.set(name, await this.#manager.get(name))
    this.#tell(() => this.#model.check((name) => statuses.get(name)))
    if (this.#problem !== undefined) throw this.#problem
  }

  /** A listener can not fail a test: what it finds is kept until the step has ended. */
  #tell(told: () => void): void {
    if (this.#problem !== undefined) return
    try {
      if (!this.#model.isWorking && isStarted(this.#manager.state)) this.#model.begin()
      told()
    } catch (problem) {
      this.#problem = problem
    }
  }

  #createWorker(name: string, schedule: Schedule, policy: PeriodicWorkerPolicy): SimulatedWorker {
    return new SimulatedWorker(name, schedule, policy, (context) => this.#doWork(name, context))
  }

  #doWork(name: string, context: PeriodicBackgroundWorkerContext): Promise<void> {
    let run: ModelRun | undefined
    this.#tell(() => {
      run = this.#model.attemptStarts(name, context.runId, context.attempt)
    })
    const { durationMs, fails, isHeedful } = this.#behaviours.get(name) ?? calmBehaviour
    const end = (isFailed: boolean) => {
      this.#tell(() => this.#model.attemptEnds(name, run as ModelRun, isFailed))
    }
    if (durationMs === 0) {
      end(fails)
      if (fails) throw failure
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const finish = (isFailed: boolean) => {
        this.#clock.clearTimer(timer)
        if (isHeedful) context.signal.removeEventListener('abort', giveUp)
        end(isFailed)
        if (isFailed) reject(failure)
        else resolve()
      }
      const giveUp = () => finish(true)
      const timer = this.#clock.setTimer(() => finish(fails), durationMs)
      if (isHeedful) context.signal.addEventListener('abort', giveUp)
    })
  }
}

class SimulatedWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name: string
  readonly schedule: Schedule
  override readonly policy: PeriodicWorkerPolicy
  readonly #work: (context: PeriodicBackgroundWorkerContext) => Promise<void>

  constructor(
    name: string,
    schedule: Schedule,
    policy: PeriodicWorkerPolicy,
    work: (context: PeriodicBackgroundWorkerContext) => Promise<void>,
  ) {
    super()
    this.name = name
    this.schedule = schedule
    this.policy = policy
    this.#work = work
  }

  doWork(context: PeriodicBackgroundWorkerContext): Promise<void> {
    return this.#work(context)
  }
}

function isStarted(state: string): boolean {
  return state === 'starting' || state === 'running'
}

async function refuse(call: Promise<unknown>, errorClass: new (...parts: never[]) => Error): Promise<void> {
  await thrownBy(call, errorClass)
}

async function thrownBy<T extends Error>(call: Promise<unknown>, errorClass: new (...parts: never[]) => T): Promise<T> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof errorClass, `${errorClass.name} is thrown`)
  return error
}
