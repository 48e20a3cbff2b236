import { describe, expect, it } from 'vitest'
import { BackgroundWorkerBase, giveLogger, startAtOnce } from './background-worker.ts'
import { InvalidWorkerError } from './errors.ts'
import { periodicWorker } from './periodic-worker.ts'
import { every } from './schedule.ts'
import { RecordingLogger } from './testing/recording-logger.ts'

class Plain extends BackgroundWorkerBase {
  readonly name = 'plain'
  get signal() {
    return this.stoppingSignal
  }
  log(message: string) {
    this.logger.info({}, message)
  }
}

class WithStart extends Plain {
  override async start() {
    await super.start()
  }
}

describe('BackgroundWorkerBase', () => {
  it('aborts its stoppingSignal at the stop and renews it at the next start', async () => {
    const worker = new Plain()
    await worker.start()
    const first = worker.signal
    expect(first.aborted).toBe(false)
    expect(worker.signal).toBe(first)
    await worker.stop()
    expect(first.aborted).toBe(true)
    expect(worker.signal.aborted).toBe(true)
    await worker.start()
    expect(worker.signal.aborted).toBe(false)
    expect(first.aborted).toBe(true)
  })

  it('keeps a signal that was looked at before the start', async () => {
    const worker = new Plain()
    const { signal } = worker
    await worker.start()
    expect(worker.signal).toBe(signal)
  })

  it('has an aborted signal after a stop without a start', async () => {
    const worker = new Plain()
    await worker.stop()
    expect(worker.signal.aborted).toBe(true)
  })

  it("logs nowhere before it is added, then with the manager's logger and its name", () => {
    const worker = new Plain()
    const logger = new RecordingLogger()
    expect(() => worker.log('before')).not.toThrow()
    giveLogger(worker, (name) => logger.child({ worker: name }))
    worker.log('after')
    expect(logger.lines).toEqual([{ level: 'info', message: 'after', data: { worker: 'plain' } }])
  })

  it('takes the logger of another manager later', () => {
    const worker = new Plain()
    const [one, two] = [new RecordingLogger(), new RecordingLogger()]
    for (const logger of [one, two]) {
      giveLogger(worker, (name) => logger.child({ worker: name }))
      worker.log('x')
    }
    expect([one.lines.length, two.lines.length]).toEqual([1, 1])
  })

  it('refuses a Proxy around it, which can not reach what is private', () => {
    expect(() => giveLogger(new Proxy(new Plain(), {}), () => new RecordingLogger())).toThrow(InvalidWorkerError)
    expect(() => giveLogger(new Proxy(new Plain(), {}), () => new RecordingLogger())).toThrow(
      'add: the worker can not take its logger. Pass the worker itself, not a Proxy of it.',
    )
  })

  it('is not needed: any object with a name, start and stop is left alone', () => {
    expect(() =>
      giveLogger({ name: 'a', async start() {}, async stop() {} }, () => new RecordingLogger()),
    ).not.toThrow()
  })
})

describe('startAtOnce', () => {
  it('is all that a worker needs whose start is the inherited one', () => {
    expect(startAtOnce(new Plain())).toBe(true)
    expect(startAtOnce(new WithStart())).toBe(false)
    expect(startAtOnce({ name: 'a', async start() {}, async stop() {} })).toBe(false)
    expect(startAtOnce(periodicWorker({ name: 'a', schedule: every('1m'), doWork() {} }))).toBe(true)
  })

  it('renews the stoppingSignal, as start does', async () => {
    const worker = new Plain()
    await worker.stop()
    startAtOnce(worker)
    expect(worker.signal.aborted).toBe(false)
  })
})
