import { describe, expect, it } from 'vitest'
import { BackgroundWorkerBase, type IBackgroundWorker } from './background-worker.ts'
import { DuplicateWorkerError, InvalidScheduleError, InvalidWorkerError } from './errors.ts'
import { fillManagerOptions } from './manager-options.ts'
import { createManagerParts } from './manager-parts.ts'
import { periodicWorker } from './periodic-worker.ts'
import { every } from './schedule.ts'
import { ManualClock } from './testing/manual-clock.ts'
import { RecordingLogger } from './testing/recording-logger.ts'
import { type EntryHost, type WorkerEntry, createWorkerEntry } from './worker-entry.ts'
import { WorkerStops } from './worker-stops.ts'

function createHost() {
  const logger = new RecordingLogger()
  const entries = new Map<string, WorkerEntry>()
  const ready: string[] = []
  const clock = new ManualClock()
  const host: EntryHost = {
    ...createManagerParts(fillManagerOptions({ logger, defaultPolicy: { keepRuns: 7 } })),
    clock,
    stops: new WorkerStops(clock),
    minPeriodMs: 50,
    entries,
    workerReady: (_worker, name) => ready.push(name),
  }
  return { host, logger, entries, ready }
}

class Talking extends BackgroundWorkerBase {
  readonly name = 'talking'
  say(line: string) {
    this.logger.info({}, line)
  }
}

describe('createWorkerEntry', () => {
  it("defines the worker by the manager's rules", () => {
    const { host } = createHost()
    const worker = periodicWorker({ name: 'w', schedule: every(50), doWork() {} })
    const entry = createWorkerEntry(worker, host)
    expect(entry.worker).toBe(worker)
    expect(entry.definition).toMatchObject({ kind: 'periodic', name: 'w', policy: { keepRuns: 7 } })
    const tooOften = periodicWorker({ name: 'w', schedule: every(49), doWork() {} })
    expect(() => createWorkerEntry(tooOften, host)).toThrow(InvalidScheduleError)
    expect(() => createWorkerEntry('w' as unknown as IBackgroundWorker, host)).toThrow(InvalidWorkerError)
  })

  it("gives the worker the manager's logger, and does not start it", () => {
    const { host, logger, ready } = createHost()
    const worker = new Talking()
    const { starter } = createWorkerEntry(worker, host)
    worker.say('hello')
    expect(logger.lines).toEqual([{ level: 'info', message: 'hello', data: { worker: 'talking' } }])
    expect([starter.isReady, ready]).toEqual([false, []])
    starter.start()
    expect(starter.isReady).toBe(true)
  })

  it('refuses a second worker of a name, which keeps the logger that it has', () => {
    const { host, logger, entries } = createHost()
    entries.set('talking', createWorkerEntry(new Talking(), host))
    const second = new Talking()
    expect(() => createWorkerEntry(second, host)).toThrow(DuplicateWorkerError)
    second.say('hello')
    expect(logger.lines).toEqual([])
  })
})
