import assert from 'node:assert/strict'
import { every, periodicWorker } from '@background-workers/abstractions'
import { ManualClock, managerContract, manualClockContract } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { describe, it } from 'vitest'

const runner = { describe, it }

describe('managerContract', () => {
  // Nothing is armed on it when a test has ended, so one serves them all.
  const clock = new ManualClock()
  managerContract({
    runner,
    createManager: (options) => new DefaultBackgroundWorkerManager({ ...options, clock }),
    shortPeriodMs: 50,
    advance: (ms) => clock.advance(ms),
    cleanUp: () => assert.equal(clock.timerCount, 0, 'no timer is left after stop'),
    deviations: [
      {
        reason: 'keeps nothing while down: see "what a new process does instead"',
        tests: [
          'runs a slot missed while down',
          'keeps override, pause and history in a new process',
          'drops the override when the code declares another schedule, and announces that',
        ],
      },
    ],
  })
})

describe('manualClockContract', () => {
  manualClockContract({ runner, createManager: (options) => new DefaultBackgroundWorkerManager(options) })
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
