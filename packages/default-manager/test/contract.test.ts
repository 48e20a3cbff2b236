import assert from 'node:assert/strict'
import {
  InProcessLock,
  type PeriodicBackgroundWorkerContext,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import {
  type ContractDeviation,
  ManualClock,
  managerContract,
  manualClockContract,
} from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { describe, it } from 'vitest'

const runner = { describe, it }

const keepsNothing: ContractDeviation = {
  reason: 'keeps nothing while down: see "what a new process does instead"',
  tests: [
    'runs a slot missed while down',
    'keeps override, pause and history in a new process',
    'drops the override when the code declares another schedule, and announces that',
  ],
}

describe('managerContract', () => {
  // Nothing is armed on it when a test has ended, so one serves them all.
  const clock = new ManualClock()
  managerContract({
    runner,
    createManager: (options) => new DefaultBackgroundWorkerManager({ ...options, clock }),
    shortPeriodMs: 50,
    advance: (ms) => clock.advance(ms),
    cleanUp: () => assert.equal(clock.timerCount, 0, 'no timer is left after stop'),
    deviations: [keepsNothing],
  })
})

describe('manualClockContract', () => {
  manualClockContract({ runner, createManager: (options) => new DefaultBackgroundWorkerManager(options) })
})

describe('managerContract, with a lock', () => {
  const clock = new ManualClock()
  const locks = new Map<string | undefined, InProcessLock>()
  managerContract({
    runner,
    // Two managers of one application share its lock, as two processes do.
    createManager: (options) => {
      const { applicationName } = options
      const distributedLock = locks.get(applicationName) ?? new InProcessLock({ clock })
      locks.set(applicationName, distributedLock)
      return new DefaultBackgroundWorkerManager({ ...options, clock, distributedLock })
    },
    shortPeriodMs: 50,
    advance: (ms) => clock.advance(ms),
    cleanUp: () => assert.equal(clock.timerCount, 0, 'no timer is left after stop'),
    deviations: [keepsNothing],
  })
})

describe('manualClockContract, with a lock', () => {
  manualClockContract({
    runner,
    createManager: (options) =>
      new DefaultBackgroundWorkerManager({
        ...options,
        distributedLock: new InProcessLock({ clock: options.clock }),
      }),
    deviations: [
      {
        reason:
          'a run waits for its lock, so a doWork that takes a whole turn meets the next slot of a clock that gives one turn',
        tests: ['runs every slot of a thousand at its very millisecond, without drift'],
      },
    ],
  })

  it('runs every slot of a thousand at its very millisecond when doWork takes less than a turn', async () => {
    const clock = new ManualClock()
    const manager = new DefaultBackgroundWorkerManager({ clock, distributedLock: new InProcessLock({ clock }) })
    const runs: [number, number][] = []
    const doWork = async ({ startedAt, scheduledFor }: PeriodicBackgroundWorkerContext) => {
      runs.push([startedAt.getTime(), scheduledFor.getTime()])
    }
    await manager.add(periodicWorker({ name: 'tick', schedule: every(50, { offset: 0 }), doWork }))
    const startedAt = clock.now()
    await manager.start()
    await clock.advance(50_000)
    await manager.stop()
    const slots = Array.from({ length: 1_000 }, (_, index) => startedAt + (index + 1) * 50)
    assert.deepEqual(
      runs,
      slots.map((slot) => [slot, slot]),
    )
  })
})

describe('what a new process does instead', () => {
  const sweep = () => periodicWorker({ name: 'sweep', schedule: every('10m', { offset: 0 }), doWork: async () => {} })

  async function start(clock: ManualClock, worker = sweep()) {
    const manager = new DefaultBackgroundWorkerManager({ clock })
    await manager.add(worker)
    await manager.start()
    return manager
  }

  it('starts from now: a slot missed while down is neither run nor recorded', async () => {
    const clock = new ManualClock()
    const before = await start(clock)
    await clock.advance(600_000)
    await before.stop()
    await clock.advance(1_500_000)
    const after = await start(clock)
    assert.deepEqual(await after.runs('sweep'), [])
    await clock.advance(600_000)
    const [record, ...others] = await after.runs('sweep')
    assert.deepEqual([others, record?.kind, record?.missedSlots], [[], 'scheduled', undefined])
    await after.stop()
  })

  it('has what the code declares, and no pause', async () => {
    const clock = new ManualClock()
    const before = await start(clock)
    await before.reschedule('sweep', every('1h'))
    await before.pause('sweep')
    await before.stop()
    const after = await start(clock)
    const status = await after.get('sweep')
    assert.deepEqual([status?.schedule, status?.state], [{ declared: sweep().schedule }, 'idle'])
    await after.stop()
  })
})

describe('runOnStart', () => {
  it('runs at each start of the manager', async () => {
    const clock = new ManualClock()
    const kinds: string[] = []
    const worker = periodicWorker({
      name: 'warm-up',
      schedule: every('30d', { offset: 0 }),
      policy: { runOnStart: true },
      doWork: ({ kind }) => void kinds.push(kind),
    })
    const manager = new DefaultBackgroundWorkerManager({ clock })
    await manager.add(worker)
    for (let count = 0; count < 3; count++) {
      await manager.start()
      await manager.stop()
    }
    assert.deepEqual(kinds, ['start', 'start', 'start'])
  })
})
