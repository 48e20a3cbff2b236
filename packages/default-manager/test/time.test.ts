import {
  type FinishedRunRecord,
  type IBackgroundWorker,
  type PeriodicWorkerPolicy,
  type RunRecord,
  type Schedule,
  cron,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { stableHash } from '@background-workers/abstractions/for-managers'
import { ManualClock } from '@background-workers/abstractions/testing'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { DefaultBackgroundWorkerManager } from '../src/default-background-worker-manager.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** A started manager whose workers count their runs, and which counts its decisions. */
async function startManager(schedules: Record<string, Schedule>, policy: PeriodicWorkerPolicy = {}) {
  const clock = new ManualClock()
  const manager = new DefaultBackgroundWorkerManager({ clock })
  const runs: Record<string, Date[]> = {}
  const decisions: string[] = []
  for (const [name, schedule] of Object.entries(schedules)) {
    runs[name] = []
    const doWork = ({ scheduledFor }: { scheduledFor: Date }) => void runs[name]?.push(scheduledFor)
    await manager.add(periodicWorker({ name, schedule, policy, doWork }))
  }
  manager.on('run-started', ({ worker }) => decisions.push(worker))
  manager.on('run-skipped', ({ worker }) => decisions.push(worker))
  await manager.start()
  return { clock, manager, runs, decisions }
}

describe('100,000 workers', () => {
  it('arm exactly one timer, and none after the stop', async () => {
    const clock = new ManualClock()
    const manager = new DefaultBackgroundWorkerManager({ clock })
    let runs = 0
    const doWork = async () => void runs++
    const schedule = every('10m')
    for (let index = 0; index < 100_000; index++) {
      await manager.add(periodicWorker({ name: `worker-${index}`, schedule, doWork }))
    }
    expect(clock.timerCount).toBe(0)
    await manager.start()
    expect(clock.timerCount).toBe(1)
    await manager.trigger('worker-77')
    await clock.settle()
    expect([runs, clock.timerCount]).toEqual([1, 1])
    await clock.advance(10)
    expect(clock.timerCount).toBe(1)
    await manager.stop()
    expect(clock.timerCount).toBe(0)
  })
})

describe('a step of the clock', () => {
  const schedules = {
    second: every('1s'),
    minute: every('1m'),
    hour: every('1h'),
    day: every('1d'),
    'cron-seconds': cron('*/5 * * * * *'),
    'cron-minute': cron('* * * * *'),
    'cron-daily': cron('30 2 * * *', { timeZone: 'Europe/Berlin' }),
  }
  // Those that have a slot in every two minutes.
  const fast = ['second', 'minute', 'cron-seconds', 'cron-minute']

  const countOf = (decisions: string[], name: string) => decisions.filter((worker) => worker === name).length

  it.each([
    ['an hour forward', HOUR_MS],
    ['a day forward', DAY_MS],
    ['a month forward', 30 * DAY_MS],
  ])('%s costs one decision per worker that had a slot, and all go on', async (_title, stepMs) => {
    const { clock, manager, decisions, runs } = await startManager(schedules)
    await clock.advance(2 * 60_000)
    decisions.length = 0
    clock.step(stepMs)
    await clock.advance(999)
    for (const name of Object.keys(schedules)) {
      const hadSlot = stepMs >= DAY_MS || (name !== 'day' && name !== 'cron-daily')
      expect(countOf(decisions, name), name).toBe(hadSlot ? 1 : 0)
    }
    decisions.length = 0
    await clock.advance(2 * 60_000)
    for (const name of fast) expect(decisions, name).toContain(name)
    expect(countOf(decisions, 'second')).toBe(120)
    for (const name of fast) await manager.remove(name)
    const before = runs.day?.length ?? 0
    await clock.advance(2 * DAY_MS)
    expect((runs.day?.length ?? 0) - before).toBe(2)
    expect((await manager.list()).map(({ name, state }) => [name, state])).toEqual([
      ['hour', 'idle'],
      ['day', 'idle'],
      ['cron-daily', 'idle'],
    ])
    await manager.stop()
    expect(clock.timerCount).toBe(0)
  })

  it.each([
    ['an hour back', HOUR_MS],
    ['a day back', DAY_MS],
    ['a month back', 30 * DAY_MS],
  ])('%s costs at most one decision per worker, and nothing falls silent', async (_title, stepMs) => {
    const { clock, manager, decisions } = await startManager(schedules)
    const repaired: string[] = []
    manager.on('schedules-repaired', ({ workers }) => repaired.push(...workers))
    await clock.advance(2 * 60_000)
    decisions.length = 0
    clock.step(-stepMs)
    await clock.advance(999)
    for (const name of Object.keys(schedules)) {
      expect(countOf(decisions, name), name).toBeLessThanOrEqual(1)
    }
    // Within a minute it is noticed; from then on each worker has its slots again.
    await clock.advance(60_000)
    expect(repaired).toEqual(expect.arrayContaining(['second', 'cron-seconds']))
    decisions.length = 0
    await clock.advance(2 * 60_000)
    for (const name of fast) expect(decisions, name).toContain(name)
    expect(countOf(decisions, 'second')).toBe(120)
    for (const status of await manager.list()) {
      const waitMs = (status.nextDueAt as Date).getTime() - clock.now()
      expect(waitMs, status.name).toBeLessThanOrEqual(2 * DAY_MS)
    }
    await manager.stop()
  })

  it('forward and back again leaves each worker as it was', async () => {
    const { clock, manager, decisions } = await startManager(schedules)
    await clock.advance(60_000)
    clock.step(30 * DAY_MS)
    await clock.advance(60_000)
    clock.step(-30 * DAY_MS)
    await clock.advance(61_000)
    decisions.length = 0
    await clock.advance(10_000)
    expect(decisions.filter((worker) => worker === 'second')).toHaveLength(10)
    await manager.stop()
  })
})

describe('a week asleep', () => {
  it('costs one decision per worker, about the latest slot, with the passed ones counted', async () => {
    const { clock, manager, decisions, runs } = await startManager({
      second: every('1s', { offset: 0 }),
      hour: every('1h', { offset: 0 }),
      'cron-minute': cron('* * * * *'),
      'cron-daily': cron('0 3 * * *'),
    })
    await clock.advance(HOUR_MS)
    decisions.length = 0
    clock.sleep(7 * DAY_MS)
    await clock.advance(1)
    // The timer that was armed before goes on where it stood; within a second it rings.
    await clock.advance(998)
    expect(decisions).toEqual([])
    await clock.advance(1)
    expect([...decisions].sort()).toEqual(['cron-daily', 'cron-minute', 'hour', 'second'])
    const [second] = await manager.runs('second', { limit: 1 })
    expect(second).toMatchObject({ kind: 'catch-up', missedSlots: 7 * 86_400 })
    const [hour] = await manager.runs('hour', { limit: 1 })
    expect(hour).toMatchObject({ missedSlots: 167, lateByMs: 1_000 })
    const [cronMinute] = await manager.runs('cron-minute', { limit: 1 })
    expect(cronMinute).toMatchObject({ missedSlots: 1_000, kind: 'catch-up' })
    // 03:00 was 22 hours ago, further than the window of an hour.
    const [daily] = await manager.runs('cron-daily', { limit: 1 })
    expect(daily).toMatchObject({ outcome: 'missed', reason: 'late', missedSlots: 6 })
    decisions.length = 0
    const hours = runs.hour?.length ?? 0
    await clock.advance(2 * HOUR_MS)
    expect((runs.hour?.length ?? 0) - hours).toBe(2)
    expect(decisions.filter((worker) => worker === 'cron-minute')).toHaveLength(120)
    await manager.stop()
  })
})

describe('long periods', () => {
  it.each([30, 300])('a period of %d days runs at its slots and not before', async (days) => {
    const { clock, manager, runs } = await startManager({ long: every(`${days}d`) })
    const first = (await manager.get('long'))?.nextDueAt as Date
    expect(first.getTime() - clock.now()).toBeLessThanOrEqual(days * DAY_MS)
    await clock.advance(first.getTime() - clock.now() - 1)
    expect(runs.long).toEqual([])
    await clock.advance(1)
    expect(runs.long).toEqual([first])
    await clock.advance(days * DAY_MS - 1)
    expect(runs.long).toHaveLength(1)
    await clock.advance(1)
    expect(runs.long).toEqual([first, new Date(first.getTime() + days * DAY_MS)])
    expect(clock.timerCount).toBe(1)
    await manager.stop()
  })
})

describe('jitter', () => {
  it('moves each slot by up to so much, the same after a restart, and keeps the slot itself', async () => {
    const schedule = every('1h', { offset: 0 })
    const starts: number[][] = []
    for (let round = 0; round < 2; round++) {
      const { clock, manager, runs } = await startManager({ jittery: schedule }, { jitterMs: 10 * 60_000 })
      const startedAt: number[] = []
      manager.on('run-started', (record) =>
        startedAt.push((record.startedAt as Date).getTime() - record.scheduledFor.getTime()),
      )
      await clock.advance(5 * HOUR_MS + HOUR_MS / 2)
      expect(runs.jittery).toEqual([1, 2, 3, 4, 5].map((hour) => new Date(Date.UTC(2026, 0, 1, hour))))
      starts.push(startedAt)
      await manager.stop()
      expect(clock.timerCount).toBe(0)
    }
    expect(starts[0]).toEqual(starts[1])
    for (const delayMs of starts[0] as number[]) expect(delayMs).toBeLessThanOrEqual(10 * 60_000)
    expect(new Set(starts[0]).size).toBeGreaterThan(3)
  })

  it('waits on one timer of its own, which a stop takes back', async () => {
    const { clock, manager, runs } = await startManager(
      { jittery: every('1h', { offset: 0 }) },
      { jitterMs: HOUR_MS / 2 },
    )
    await clock.advance(HOUR_MS)
    expect(runs.jittery).toEqual([])
    expect((await manager.get('jittery'))?.activeRun).toMatchObject({ kind: 'scheduled', attempts: 0 })
    expect(clock.timerCount).toBe(2)
    await manager.stop()
    expect(clock.timerCount).toBe(0)
    await clock.advance(HOUR_MS)
    expect(runs.jittery).toEqual([])
  })

  it('that a cancel ends is told as a run that is over', async () => {
    const { clock, manager, runs } = await startManager(
      { jittery: every('1h', { offset: 0 }) },
      { jitterMs: HOUR_MS / 2 },
    )
    const finished: FinishedRunRecord[] = []
    manager.on('run-finished', (record) => finished.push(record))
    await clock.advance(HOUR_MS)
    const runId = (await manager.get('jittery'))?.activeRun?.runId as string
    expect(await manager.cancel(runId, { by: 'ann' })).toBe(true)
    const finishedAt = new Date(clock.now())
    expect(finished).toMatchObject([
      { runId, outcome: 'aborted', reason: 'cancelled', by: 'ann', attempts: 0, finishedAt },
    ])
    await clock.advance(HOUR_MS - 1)
    expect(runs.jittery).toEqual([])
    await manager.stop()
  })

  it('that a pause ends is skipped, and does not run after a resume', async () => {
    const { clock, manager, runs } = await startManager(
      { jittery: every('1h', { offset: 0 }) },
      { jitterMs: HOUR_MS / 2 },
    )
    await clock.advance(HOUR_MS)
    await manager.pause('jittery')
    await manager.resume('jittery')
    await clock.advance(HOUR_MS - 1)
    expect(runs.jittery).toEqual([])
    expect(await manager.runs('jittery')).toMatchObject([{ outcome: 'skipped', reason: 'paused' }])
    await manager.stop()
  })
})

describe('the alarm', () => {
  it('rings no more for a removed worker after a minute', async () => {
    const { clock, manager } = await startManager({ daily: every('1d') })
    await manager.remove('daily')
    await clock.advance(60_000)
    expect(clock.timerCount).toBe(0)
    await manager.stop()
  })
})

describe('a sleep while a slot waits for its jitter', () => {
  const slotOf = (hour: number) => new Date(Date.UTC(2026, 0, 1, hour))
  const jitterOf = (hour: number) => stableHash(`jittery@${slotOf(hour).getTime()}`) % (HOUR_MS / 2 + 1)

  /** It is 02:05, and the slot of 02:00 waits until 02:24:35. */
  async function waitingWorker() {
    const started = await startManager({ jittery: every('1h', { offset: 0 }) }, { jitterMs: HOUR_MS / 2 })
    await started.clock.advance(2 * HOUR_MS + 5 * 60_000)
    const { activeRun } = (await started.manager.get('jittery')) ?? {}
    expect([activeRun?.scheduledFor, activeRun?.attempts]).toEqual([slotOf(2), 0])
    expect(jitterOf(2)).toBeGreaterThan(24 * 60_000)
    started.runs.jittery = []
    return started
  }

  it('is noticed within a minute: the slot runs late, inside its window', async () => {
    const { clock, manager } = await waitingWorker()
    clock.sleep(HOUR_MS / 2)
    await clock.advance(60_000)
    const lateByMs = 35 * 60_000 - jitterOf(2)
    const [run] = await manager.runs('jittery', { limit: 1 })
    expect(run).toMatchObject({ scheduledFor: slotOf(2), kind: 'catch-up', outcome: 'succeeded' })
    expect(run?.lateByMs).toBeGreaterThanOrEqual(lateByMs)
    expect(run?.lateByMs).toBeLessThanOrEqual(lateByMs + 60_000)
    await manager.stop()
  })

  it.each([
    ['the timer of the wait', async ({ clock }: { clock: ManualClock }) => clock.advance(60_000)],
    ['the alarm', async ({ manager }: { manager: DefaultBackgroundWorkerManager }) => manager.health()],
  ])('costs no later slot when %s notices it first', async (_title, notice) => {
    const { clock, manager, runs } = await waitingWorker()
    clock.sleep(8 * HOUR_MS)
    await notice({ clock, manager })
    expect((await manager.get('jittery'))?.activeRun?.scheduledFor).toEqual(slotOf(10))
    await clock.advance(slotOf(10).getTime() + jitterOf(10) - clock.now() - 1)
    expect(runs.jittery).toEqual([])
    await clock.advance(1)
    expect(runs.jittery).toEqual([slotOf(10)])
    expect(await manager.runs('jittery', { limit: 2 })).toMatchObject([
      { scheduledFor: slotOf(10), kind: 'catch-up', missedSlots: 7, lateByMs: 0, outcome: 'succeeded' },
      { scheduledFor: slotOf(2), outcome: 'missed', reason: 'late' },
    ])
    await manager.stop()
    expect(clock.timerCount).toBe(0)
  })

  it.each<[string, (manager: DefaultBackgroundWorkerManager) => Promise<unknown>]>([
    ['removal', (manager) => manager.remove('jittery')],
    ['pause', (manager) => manager.pause('jittery')],
    ['stop', (manager) => manager.stop()],
  ])('decides no later slot after a %s by a listener that is told of the end of the wait', async (_title, act) => {
    const { clock, manager, decisions } = await waitingWorker()
    let acted: Promise<unknown> | undefined
    manager.on('run-skipped', () => {
      acted ??= act(manager)
    })
    clock.sleep(8 * HOUR_MS)
    decisions.length = 0
    await manager.health()
    await acted
    expect([decisions, clock.timerCount]).toEqual([['jittery'], 0])
    await manager.stop()
  })
})

describe('a sleep while a run waits for its retry', () => {
  const slotOf = (hour: number) => new Date(Date.UTC(2026, 0, 1, hour))

  /** It is 02:05, and the run of 02:00 is repeated at 02:10. */
  async function retryingWorker() {
    const clock = new ManualClock(slotOf(2).getTime() - 1)
    const manager = new DefaultBackgroundWorkerManager({ clock })
    const attempts: [Date, number][] = []
    const worker = periodicWorker({
      name: 'flaky',
      schedule: every('1h', { offset: 0 }),
      policy: { retry: { attempts: 2, backoffMs: 600_000 } },
      doWork({ scheduledFor, attempt }) {
        attempts.push([scheduledFor, attempt])
        if (attempt === 1 && scheduledFor.getTime() === slotOf(2).getTime()) throw new Error('not yet')
      },
    })
    await manager.add(worker)
    await manager.start()
    await clock.advance(5 * 60_000)
    expect(attempts).toEqual([[slotOf(2), 1]])
    return { clock, manager, attempts }
  }

  it('is noticed within a minute: the next attempt starts', async () => {
    const { clock, manager, attempts } = await retryingWorker()
    clock.sleep(HOUR_MS / 2)
    await clock.advance(60_000)
    expect(attempts).toEqual([
      [slotOf(2), 1],
      [slotOf(2), 2],
    ])
    expect(await manager.runs('flaky')).toMatchObject([{ outcome: 'succeeded', attempts: 2 }])
    await manager.stop()
  })

  it.each([
    ['the timer of the wait', async ({ clock }: { clock: ManualClock }) => clock.advance(60_000)],
    ['the alarm', async ({ manager }: { manager: DefaultBackgroundWorkerManager }) => void (await manager.health())],
  ])('costs no later slot when %s notices it first', async (_title, notice) => {
    const { clock, manager, attempts } = await retryingWorker()
    clock.sleep(HOUR_MS)
    await notice({ clock, manager })
    await clock.settle()
    expect(attempts).toEqual([
      [slotOf(2), 1],
      [slotOf(3), 1],
    ])
    expect(await manager.runs('flaky')).toMatchObject([
      { scheduledFor: slotOf(3), kind: 'catch-up', outcome: 'succeeded' },
      { scheduledFor: slotOf(2), outcome: 'failed', attempts: 1, error: { message: 'not yet' } },
    ])
    await manager.stop()
    expect(clock.timerCount).toBe(0)
  })
})

describe('a clock that is set back while a slot waits for its jitter', () => {
  const hourly = every('1h', { offset: 0 })
  const firstSlot = Date.UTC(2026, 0, 1, 1)

  async function waitingWorker(jitterMs: number) {
    const { clock, manager, decisions } = await startManager({ jittery: hourly }, { jitterMs })
    const records: RunRecord[] = []
    manager.on('run-started', (record) => records.push(record))
    manager.on('run-skipped', (record) => records.push(record))
    await clock.advance(HOUR_MS)
    expect((await manager.get('jittery'))?.activeRun).toMatchObject({ runId: `jittery.${firstSlot}`, attempts: 0 })
    expect(decisions).toEqual([])
    return {
      clock,
      manager,
      records,
      countOf: (slot: number) => records.filter((one) => +one.scheduledFor === slot).length,
    }
  }

  it('leaves a run with missed slots a catch-up', async () => {
    const { clock, manager } = await startManager({ jittery: hourly }, { jitterMs: HOUR_MS / 2 })
    clock.sleep(3 * HOUR_MS)
    await clock.advance(60_000)
    expect((await manager.get('jittery'))?.activeRun).toMatchObject({ attempts: 0, missedSlots: 2 })
    clock.step(-HOUR_MS)
    await clock.advance(HOUR_MS / 2)
    expect(await manager.runs('jittery', { limit: 1 })).toMatchObject([
      { kind: 'catch-up', missedSlots: 2, lateByMs: 0 },
    ])
    await manager.stop()
  })

  it('does not decide the slot again when another schedule has it too', async () => {
    const { clock, manager, countOf } = await waitingWorker(1_000)
    clock.step(-20_000)
    await manager.reschedule('jittery', every('30s', { offset: 0 }))
    await clock.advance(60_000)
    expect([countOf(firstSlot), countOf(firstSlot + 30_000)]).toEqual([1, 1])
    await manager.stop()
  })

  it('starts the slot neither early nor late', async () => {
    const { clock, manager, records } = await waitingWorker(HOUR_MS / 2)
    const waitMs = stableHash(`jittery@${firstSlot}`) % (HOUR_MS / 2 + 1)
    clock.step(-3 * 60_000)
    await clock.advance(waitMs - 1)
    expect(records).toEqual([])
    await clock.advance(1)
    expect(records).toMatchObject([{ runId: `jittery.${firstSlot}`, kind: 'scheduled', lateByMs: 0 }])
    await manager.stop()
  })

  it('does not skip the slot for itself', async () => {
    const { clock, manager, records, countOf } = await waitingWorker(HOUR_MS / 2)
    clock.step(-3 * 60_000)
    await manager.reschedule('jittery', every('1m', { offset: 0 }))
    await clock.advance(3 * 60_000)
    expect((await manager.get('jittery'))?.activeRun).toMatchObject({ runId: `jittery.${firstSlot}`, attempts: 0 })
    expect([countOf(firstSlot - 60_000), countOf(firstSlot)]).toEqual([1, 0])
    for (const { blockedBy } of records) expect(blockedBy).toBe(`jittery.${firstSlot}`)
    await manager.stop()
  })
})

it.each([500, 30 * 60_000])(
  'a clock that is set back by %i ms while slots are decided loses none of them',
  async (stepMs) => {
    const clock = new ManualClock()
    const manager = new DefaultBackgroundWorkerManager({ clock })
    const schedule = every('1h', { offset: 0 })
    let isStepped = false
    const doWork = async () => {
      if (!isStepped) clock.step(-stepMs)
      isStepped = true
    }
    for (const name of ['one', 'two', 'three']) await manager.add(periodicWorker({ name, schedule, doWork }))
    const first = Date.UTC(2026, 0, 1, 1)
    await manager.start()
    await clock.advance(HOUR_MS)
    await clock.advance(stepMs)
    for (const name of ['one', 'two', 'three']) {
      expect(await manager.runs(name)).toMatchObject([{ scheduledFor: new Date(first), outcome: 'succeeded' }])
    }
    await clock.advance(HOUR_MS)
    for (const name of ['one', 'two', 'three']) {
      const records = await manager.runs(name)
      expect(records.map(({ scheduledFor }) => scheduledFor.getTime())).toEqual([first + HOUR_MS, first])
    }
    await manager.stop()
  },
)

describe('the system clock', () => {
  afterEach(() => void vi.useRealTimers())

  it("works under vitest's fake timers: slots, timeouts, retries and the stop", async () => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
    const manager = new DefaultBackgroundWorkerManager()
    const times: number[] = []
    const at = () => Date.now() - Date.UTC(2026, 0, 1)
    await manager.add(
      periodicWorker({ name: 'minutely', schedule: every('1m', { offset: 0 }), doWork: () => void times.push(at()) }),
    )
    await manager.add(
      periodicWorker({
        name: 'slow',
        schedule: cron('0 * * * *'),
        policy: { timeoutMs: 5_000, runOnStart: true },
        doWork: ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
      }),
    )
    let attempts = 0
    const flaky: IBackgroundWorker = periodicWorker({
      name: 'flaky',
      schedule: cron('0 * * * *'),
      policy: { retry: { attempts: 3, backoffMs: 20_000 }, runOnStart: true },
      doWork: () => (++attempts < 3 ? Promise.reject(new Error('x')) : Promise.resolve()),
    })
    await manager.add(flaky)
    await manager.start()
    await vi.advanceTimersByTimeAsync(3 * 60_000)
    expect(times).toEqual([60_000, 120_000, 180_000])
    expect((await manager.get('slow'))?.lastRun).toMatchObject({
      outcome: 'failed',
      reason: 'timeout',
      durationMs: 5_000,
    })
    expect((await manager.get('flaky'))?.lastRun).toMatchObject({
      outcome: 'succeeded',
      attempts: 3,
      durationMs: 40_000,
    })
    await manager.stop()
    expect(vi.getTimerCount()).toBe(0)
  })
})
