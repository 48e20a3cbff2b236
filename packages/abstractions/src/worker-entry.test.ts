import { describe, expect, it } from 'vitest'
import { BackgroundWorkerBase, type IBackgroundWorker } from './background-worker.ts'
import { DuplicateWorkerError, InvalidScheduleError, InvalidWorkerError } from './errors.ts'
import { fillManagerOptions } from './manager-options.ts'
import { createManagerParts } from './manager-parts.ts'
import { periodicWorker } from './periodic-worker.ts'
import { every } from './schedule.ts'
import { RecordingLogger } from './testing/recording-logger.ts'
import { type EntryHost, type WorkerEntry, admitWorker } from './worker-entry.ts'

function createHost() {
  const logger = new RecordingLogger()
  const entries = new Map<string, WorkerEntry>()
  const { options, createWorkerLogger } = createManagerParts(
    fillManagerOptions({ logger, defaultPolicy: { keepRuns: 7 } }),
  )
  const host: EntryHost = { minPeriodMs: 50, defaultPolicy: options.defaultPolicy, createWorkerLogger, entries }
  return { host, logger, entries }
}

class Talking extends BackgroundWorkerBase {
  readonly name = 'talking'
  starts = 0
  override async start() {
    this.starts++
  }
  say(line: string) {
    this.logger.info({}, line)
  }
}

describe('admitWorker', () => {
  it("defines the worker by the manager's rules", () => {
    const { host } = createHost()
    const worker = periodicWorker({ name: 'w', schedule: every(50), doWork() {} })
    expect(admitWorker(worker, host)).toMatchObject({ kind: 'periodic', name: 'w', policy: { keepRuns: 7 } })
    const tooOften = periodicWorker({ name: 'w', schedule: every(49), doWork() {} })
    expect(() => admitWorker(tooOften, host)).toThrow(InvalidScheduleError)
    expect(() => admitWorker('w' as unknown as IBackgroundWorker, host)).toThrow(InvalidWorkerError)
  })

  it("gives the worker the manager's logger, and does not start it", () => {
    const { host, logger } = createHost()
    const worker = new Talking()
    admitWorker(worker, host)
    worker.say('hello')
    expect(logger.lines).toEqual([{ level: 'info', message: 'hello', data: { worker: 'talking' } }])
    expect(worker.starts).toBe(0)
  })

  it('warns of a retry that always comes after the next slot, and of no other', () => {
    const { host, logger } = createHost()
    const add = (period: number, attempts: number, backoffMs: number) => {
      const policy = { retry: { attempts, backoffMs } }
      admitWorker(periodicWorker({ name: 'w', schedule: every(period), policy, doWork() {} }), host)
    }
    add(1_000, 3, 999)
    add(1_000, 1, 1_000)
    expect(logger.lines).toEqual([])
    add(1_000, 3, 1_000)
    const message = 'by its schedule the worker is never retried: each retry would start at or after its next slot'
    const data = { worker: 'w', backoffMs: 1_000, periodMs: 1_000 }
    expect(logger.lines).toEqual([{ level: 'warn', message, data }])
  })

  it('refuses a second worker of a name, which keeps the logger that it has', () => {
    const { host, logger, entries } = createHost()
    const worker = new Talking()
    entries.set('talking', { worker, definition: admitWorker(worker, host), startState: 'stopped' })
    const second = new Talking()
    expect(() => admitWorker(second, host)).toThrow(DuplicateWorkerError)
    second.say('hello')
    expect(logger.lines).toEqual([])
  })
})
