import {
  type Clock,
  type IDistributedLock,
  InProcessLock,
  type ManagerEvents,
  type PeriodicWorkerPolicy,
  type Schedule,
  cron,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { Run } from '@background-workers/abstractions/for-managers'
import { ManualClock, RecordingLogger } from '@background-workers/abstractions/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DefaultBackgroundWorkerManager } from '../src/default-background-worker-manager.ts'
import type { DefaultManagerOptions } from '../src/options.ts'

const HOUR_MS = 3_600_000

/** A manager, stopped when its test is over, that tells its watchdog's findings as they come and go. */
function watchedManager(options: DefaultManagerOptions = {}) {
  const logger = new RecordingLogger()
  const manager = new DefaultBackgroundWorkerManager({ logger, ...options })
  onTestFinished(async () => {
    await manager.stop()
  })
  const told: string[] = []
  const overdue: ManagerEvents['worker-overdue'][] = []
  const nameOf = ({ code, worker }: { code: string; worker?: string }) => `${code}${worker ? ` ${worker}` : ''}`
  manager.on('health-reason-added', (reason) => told.push(`+${nameOf(reason)}`))
  manager.on('health-reason-cleared', (reason) => told.push(`-${nameOf(reason)}`))
  manager.on('worker-overdue', (event) => overdue.push(event))
  manager.on('worker-recovered', ({ worker }) => told.push(`recovered ${worker}`))
  const codes = async () => (await manager.health()).reasons.map(nameOf)
  return { manager, logger, told, overdue, codes }
}

const worker = (name: string, schedule: Schedule, policy: PeriodicWorkerPolicy = {}) =>
  periodicWorker({ name, schedule, policy, doWork() {} })

describe('a worker that is overdue', () => {
  it('is told when the alarm rings late, without anybody asking, and has recovered when its slot is decided', async () => {
    const clock = new ManualClock()
    const { manager, logger, told, overdue, codes } = watchedManager({ clock })
    for (let index = 0; index < 100; index++) {
      await manager.add(worker(`hourly-${index}`, every('1h', { offset: 0 })))
    }
    await manager.start()
    const dueAt = new Date(clock.now() + HOUR_MS)
    clock.sleep(HOUR_MS + 60_000)
    await clock.advance(60_000)
    // One of the hundred stands for all of them.
    expect(overdue).toEqual([{ worker: expect.stringMatching(/^hourly-/), dueAt }])
    const name = overdue[0]?.worker
    expect(told).toEqual(['+clock-skew', `+overdue ${name}`, `-overdue ${name}`, `recovered ${name}`])
    expect(logger.linesOf('worker is overdue: nobody decides its slots').map(({ data }) => data)).toEqual([
      { worker: name, code: 'overdue', dueAt },
    ])
    expect(await codes()).toEqual(['clock-skew'])
    expect((await manager.runs('hourly-7')).map(({ scheduledFor }) => scheduledFor)).toEqual([dueAt])
  })

  it('is in the health of whoever asks first, and decided then', async () => {
    const clock = new ManualClock()
    const { manager, overdue, codes } = watchedManager({ clock })
    await manager.add(worker('hourly', every('1h', { offset: 0 }), { catchUpWindowMs: HOUR_MS / 2 }))
    await manager.start()
    clock.sleep(HOUR_MS + 10_001)
    expect((await manager.get('hourly'))?.state).toBe('overdue')
    const { status, reasons } = await manager.health()
    expect(status).toBe('unhealthy')
    expect(reasons).toMatchObject([{ worker: 'hourly', code: 'overdue' }])
    expect(overdue).toHaveLength(1)
    expect(await codes()).toEqual(['clock-skew'])
    expect(await manager.runs('hourly')).toHaveLength(1)
  })

  it('is told and decided outside the run that asks', async () => {
    const clock = new ManualClock()
    const { manager } = watchedManager({ clock })
    const asks = async () => {
      clock.sleep(HOUR_MS + 10_001)
      await manager.health()
    }
    await manager.add(worker('hourly', every('1h', { offset: 0 }), { catchUpWindowMs: HOUR_MS / 2 }))
    await manager.add(periodicWorker({ name: 'asking', schedule: every('365d', { offset: 0 }), doWork: asks }))
    const heard: (string | undefined)[][] = []
    const hear = (event: string) => heard.push([event, Run.current()?.plan.worker.name])
    manager.on('worker-overdue', ({ worker: name }) => hear(`${name} is overdue`))
    manager.on('run-started', ({ worker: name }) => name === 'hourly' && hear(`${name} runs`))
    await manager.start()
    await manager.trigger('asking')
    await expect.poll(() => heard).toHaveLength(2)
    expect(heard).toEqual([
      ['hourly is overdue', undefined],
      ['hourly runs', undefined],
    ])
  })
})

describe('a clock whose timers do not fire', () => {
  it('is no progress: the watch rings the alarm, and tells so until it rings by itself', async () => {
    const manual = new ManualClock()
    let isDead = true
    const clock: Clock = {
      now: () => manual.now(),
      monotonicNow: () => manual.monotonicNow(),
      setTimer: (callback, delayMs) => manual.setTimer(() => !isDead && callback(), delayMs),
      clearTimer: (handle) => manual.clearTimer(handle),
    }
    const { manager, told, logger, overdue } = watchedManager({ clock })
    await manager.add(worker('minutely', every('1m', { offset: 0 })))
    await manager.start()
    await manual.advance(70_001)
    // The watch has a timer of its own, in real time. Nobody asks for the health.
    await expect
      .poll(() => told)
      .toEqual(['+overdue minutely', '-overdue minutely', 'recovered minutely', '+no-progress'])
    expect(overdue).toHaveLength(1)
    expect(logger.linesOf('the manager makes no progress')).toHaveLength(1)
    expect(await manager.runs('minutely')).toHaveLength(1)
    const { status, reasons } = await manager.health()
    expect([status, reasons.map(({ code }) => code)]).toEqual(['unhealthy', ['no-progress']])
    isDead = false
    await manual.advance(60_000)
    await expect.poll(() => told.at(-1)).toBe('-no-progress')
    expect((await manager.health()).status).toBe('ok')
  })
})

describe('a worker without a next slot', () => {
  it('is told when its schedule has come to an end, until it has another one', async () => {
    // Cron looks no further than the year 3000.
    const clock = new ManualClock(Date.UTC(2999, 11, 31, 23, 58, 30))
    const { manager, told, codes } = watchedManager({ clock })
    await manager.add(worker('minutely', cron('* * * * *')))
    await manager.start()
    expect(told).toEqual([])
    await clock.advance(4 * 60_000)
    expect(told).toEqual(['+no-next-slot minutely'])
    expect(await codes()).toEqual(['no-next-slot minutely'])
    expect((await manager.get('minutely'))?.nextDueAt).toBeUndefined()
    expect((await manager.health()).status).toBe('degraded')
    await manager.pause('minutely')
    expect(await codes()).toEqual([])
    await manager.resume('minutely')
    expect(await codes()).toEqual(['no-next-slot minutely'])
    await manager.reschedule('minutely', every('1m'))
    expect(await codes()).toEqual([])
    await manager.reschedule('minutely', undefined)
    await manager.remove('minutely')
    expect(await codes()).toEqual([])
  })
})

describe('a run that a stop gave up on', () => {
  /** `doWork` does not return until it is told to. */
  async function abandonedRun() {
    const clock = new ManualClock()
    const { manager, told, codes } = watchedManager({ clock })
    const work = Promise.withResolvers<void>()
    onTestFinished(() => work.resolve())
    await manager.add(
      periodicWorker({ name: 'deaf', schedule: every('1h', { offset: 0 }), doWork: () => work.promise }),
    )
    await manager.start()
    const runId = await manager.trigger('deaf')
    const stuck: string[] = []
    manager.on('worker-stuck', (event) => stuck.push(event.runId))
    const stop = async () => {
      const stopped = manager.stop({ timeoutMs: 0 })
      await clock.advance(1_001)
      expect((await stopped).abandoned).toEqual([{ worker: 'deaf', runId }])
      expect(clock.timerCount).toBe(0)
    }
    await stop()
    return { clock, manager, told, codes, work, runId, stuck, stop }
  }

  it('is stuck 30 s after its abort when the manager has started again, until doWork returns', async () => {
    const { clock, manager, told, codes, work, runId, stuck } = await abandonedRun()
    await clock.advance(9_000)
    await manager.start()
    await clock.advance(19_999)
    expect([(await manager.get('deaf'))?.state, stuck]).toEqual(['running', []])
    await clock.advance(1)
    expect([(await manager.get('deaf'))?.state, stuck]).toEqual(['stuck', [runId]])
    expect(await codes()).toEqual(['stuck deaf'])
    work.resolve()
    await clock.settle()
    expect(told).toEqual(['+stuck deaf', '-stuck deaf', 'recovered deaf'])
    expect((await manager.get('deaf'))?.state).toBe('idle')
  })

  it('is stuck at once when the manager starts later, and told once however often that is', async () => {
    const { clock, manager, codes, runId, stuck, stop } = await abandonedRun()
    await clock.advance(HOUR_MS)
    for (let start = 1; start <= 2; start++) {
      await manager.start()
      await clock.advance(1)
      expect([await codes(), stuck]).toEqual([['stuck deaf'], [runId]])
      await stop()
    }
  })
})

describe('a worker that never ran', () => {
  it('is told when its second slot is not run either, until something of it runs', async () => {
    const clock = new ManualClock()
    const { manager, told, codes } = watchedManager({ clock })
    await manager.add(worker('hourly', every('1h', { offset: 0 }), { catchUpWindowMs: 1_000 }))
    await manager.add(worker('daily', every('1d')))
    await manager.start()
    for (let slot = 1; slot <= 2; slot++) {
      clock.sleep(HOUR_MS + 30_000)
      expect(told.filter((line) => line.includes('never-ran'))).toEqual([])
      await clock.advance(60_000)
    }
    expect((await manager.get('hourly'))?.recentOutcomes).toEqual(['missed', 'missed'])
    // It is told before anybody asks.
    expect(told).toContain('+never-ran hourly')
    expect(await codes()).toContain('never-ran hourly')
    await manager.trigger('hourly')
    await clock.advance(0)
    expect(told).toContain('-never-ran hourly')
    expect(await codes()).not.toContain('never-ran hourly')
    expect(told.filter((line) => line.includes('never-ran'))).toEqual(['+never-ran hourly', '-never-ran hourly'])
  })

  it('is none whose slots another instance runs', async () => {
    const clock = new ManualClock()
    const distributedLock = new InProcessLock({ clock })
    const [one, other] = [watchedManager({ clock, distributedLock }), watchedManager({ clock, distributedLock })]
    for (const { manager } of [one, other]) {
      await manager.add(worker('hourly', every('1h', { offset: 0 })))
      await manager.start()
    }
    await clock.advance(3 * HOUR_MS)
    const outcomes = await Promise.all(
      [one, other].map(async ({ manager }) => (await manager.get('hourly'))?.recentOutcomes),
    )
    expect(outcomes.flat().filter((outcome) => outcome === 'skipped')).toHaveLength(3)
    expect([...one.told, ...other.told]).toEqual([])
  })
})

describe('a wall clock that is set', () => {
  it.each([-5_000, 5_000, 30 * 24 * HOUR_MS])('by %d ms is told with its size, for a minute', async (stepMs) => {
    const clock = new ManualClock()
    const { manager, told, logger } = watchedManager({ clock })
    await manager.add(worker('daily', every('365d')))
    await manager.start()
    await clock.advance(60_000)
    clock.step(stepMs)
    await clock.advance(60_000)
    expect(told).toEqual(['+clock-skew'])
    expect((await manager.health()).reasons[0]?.message).toContain(`${Math.abs(stepMs)} ms`)
    const lines = logger.lines.filter(({ data }) => 'steppedMs' in data)
    expect(lines.map(({ data }) => data)).toEqual([{ steppedMs: stepMs }])
    await clock.advance(120_000)
    expect(told).toEqual(['+clock-skew', '-clock-skew'])
  })

  it.each<[string, (manager: DefaultBackgroundWorkerManager) => Promise<unknown>]>([
    ['paused', (manager) => manager.pause('daily')],
    ['removed', (manager) => manager.remove('daily')],
  ])('is told for a minute also when the last worker is %s meanwhile', async (_what, silence) => {
    const clock = new ManualClock()
    const { manager, told, codes } = watchedManager({ clock })
    await manager.add(worker('daily', every('365d')))
    await manager.start()
    clock.step(5_000)
    await clock.advance(60_000)
    await silence(manager)
    await clock.advance(60_000)
    expect(await codes()).toEqual(['clock-skew'])
    await clock.advance(1)
    // Nobody asks: the watch looks once a second, in real time.
    await expect.poll(() => told).toEqual(['+clock-skew', '-clock-skew'])
  })
})

describe('an event loop that stands still', () => {
  const withLease = (leaseMs: number): IDistributedLock => {
    const lock = new InProcessLock()
    return { leaseMs, acquire: (request) => lock.acquire(request) }
  }
  const block = (ms: number) => {
    const endsAt = performance.now() + ms
    while (performance.now() < endsAt);
  }

  it('for more than half a lease is told with its lag, and what that leads to', async () => {
    const { manager, told, logger } = watchedManager({ distributedLock: withLease(4_000) })
    await manager.start()
    // Its timer is due within a second, and comes late by more than 2 s.
    block(3_500)
    await expect.poll(() => told).toContain('+event-loop-lag')
    const { status, reasons } = await manager.health()
    expect(status).toBe('degraded')
    expect(reasons[0]).toMatchObject({
      code: 'event-loop-lag',
      message: expect.stringMatching(/stood still for \d+ ms/),
    })
    const [line] = logger.lines.filter(({ data }) => 'lagMs' in data)
    expect(line?.data).toMatchObject({ limitMs: 2_000 })
    expect(line?.data.lagMs).toBeGreaterThan(2_000)
    await manager.stop()
    expect(told.at(-1)).toBe('-event-loop-lag')
  })
})

describe('the watchdog', () => {
  it('costs no timer of the clock, and nothing per worker while nothing happens', async () => {
    const clock = new ManualClock()
    const { manager, codes } = watchedManager({ clock })
    for (let index = 0; index < 1_000; index++) await manager.add(worker(`w-${index}`, every('1d')))
    await manager.start()
    expect(clock.timerCount).toBe(1)
    expect(await codes()).toEqual([])
    await manager.stop()
    expect(clock.timerCount).toBe(0)
  })

  it('is quiet where the manager is disabled, and after a stop', async () => {
    const clock = new ManualClock(Date.UTC(2999, 11, 31, 23, 59, 30))
    const { manager, told, codes } = watchedManager({ clock, isEnabled: false })
    await manager.add(worker('minutely', cron('* * * * *')))
    await manager.start()
    clock.sleep(HOUR_MS)
    await clock.advance(60_000)
    expect([told, await codes()]).toEqual([[], []])
    const running = watchedManager({ clock })
    await running.manager.add(worker('minutely', cron('* * * * *')))
    await running.manager.start()
    expect(await running.codes()).toEqual(['no-next-slot minutely'])
    await running.manager.stop()
    expect(await running.codes()).toEqual(['not-running'])
  })
})
