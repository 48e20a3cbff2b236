import { once } from 'node:events'
import { type PeriodicBackgroundWorkerContext, every, periodicWorker } from '@background-workers/abstractions'
import { ManualClock } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { expect, it } from 'vitest'

it('a worker that a listener removes as it is added is not started', async () => {
  await using manager = new DefaultBackgroundWorkerManager({ clock: new ManualClock() })
  await manager.start()
  manager.on('worker-added', ({ worker }) => manager.remove(worker))
  let starts = 0
  await manager.add({ name: 'plain', start: async () => void starts++, stop: async () => {} })
  expect(starts).toBe(0)
  expect(await manager.list()).toEqual([])
})

const failing = periodicWorker({
  name: 'failing',
  schedule: every('1h', { offset: 0 }),
  doWork: async () => {
    throw new Error('no')
  },
})

it('a failing worker that is removed and added again is still failing', async () => {
  const clock = new ManualClock()
  await using manager = new DefaultBackgroundWorkerManager({ clock })
  await manager.add(failing)
  await manager.start()
  for (let run = 0; run < 3; run++) await clock.advance(3_600_000)
  await manager.remove('failing')
  expect((await manager.health()).reasons).toEqual([])
  await manager.add(failing)
  expect((await manager.get('failing'))?.consecutiveFailures).toBe(3)
  expect((await manager.health()).reasons).toMatchObject([{ worker: 'failing', code: 'failing' }])
})

it.each(['worker-removed', 'health-reason-cleared'] as const)(
  'a failing worker that a listener of %s adds again is still failing',
  async (event) => {
    const clock = new ManualClock()
    await using manager = new DefaultBackgroundWorkerManager({ clock })
    await manager.add(failing)
    await manager.start()
    for (let run = 0; run < 3; run++) await clock.advance(3_600_000)
    const leave = manager.on(event, () => {
      leave()
      void manager.add(failing)
    })
    await manager.remove('failing')
    expect(await manager.get('failing')).toMatchObject({ consecutiveFailures: 3 })
    expect((await manager.health()).reasons).toMatchObject([{ worker: 'failing', code: 'failing' }])
  },
)

it('a worker that is removed during its third failing run is not failing any more', async () => {
  const clock = new ManualClock()
  await using manager = new DefaultBackgroundWorkerManager({ clock })
  let runs = 0
  await manager.add(
    periodicWorker({
      name: 'failing',
      schedule: every('1s', { offset: 0 }),
      async doWork() {
        if (++runs === 3) await manager.remove('failing')
        throw new Error('no')
      },
    }),
  )
  await manager.start()
  await clock.advance(5_000)
  expect(runs).toBe(3)
  expect((await manager.health()).reasons).toEqual([])
})

it('slots that come due while a new worker starts, in the run of the one that it replaces, are told of', async () => {
  const clock = new ManualClock()
  await using manager = new DefaultBackgroundWorkerManager({ clock })
  const gate = Promise.withResolvers<void>()
  const schedule = every('1s', { offset: 0 })
  await manager.add(periodicWorker({ name: 'digest', schedule, doWork: () => gate.promise }))
  await manager.start()
  await clock.advance(1_000)
  await manager.remove('digest')
  // Its start keeps the event loop busy for longer than a period.
  const start = async () => {
    await Promise.resolve()
    clock.sleep(2_500)
  }
  const replacing = Object.assign(periodicWorker({ name: 'digest', schedule, doWork: async () => {} }), { start })
  await manager.add(replacing)
  await clock.advance(1_000)
  const skipped = (await manager.runs('digest')).filter(({ outcome }) => outcome === 'skipped')
  gate.resolve()
  expect(skipped.map(({ scheduledFor, missedSlots = 0 }) => [scheduledFor.getUTCSeconds(), missedSlots])).toEqual([
    [4, 2],
  ])
})

it('a worker that is rescheduled while it starts has the slots of its new schedule, when the run of the one that it replaces has ended', async () => {
  const clock = new ManualClock()
  await using manager = new DefaultBackgroundWorkerManager({ clock })
  const [running, starting] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const schedule = every('1s', { offset: 0 })
  await manager.add(periodicWorker({ name: 'digest', schedule, doWork: () => running.promise }))
  await manager.start()
  await clock.advance(1_000)
  await manager.remove('digest')
  const slots: number[] = []
  const doWork = ({ scheduledFor }: PeriodicBackgroundWorkerContext) => void slots.push(scheduledFor.getTime() % 7_000)
  await manager.add(
    Object.assign(periodicWorker({ name: 'digest', schedule, doWork }), { start: () => starting.promise }),
  )
  running.resolve()
  await clock.settle()
  await manager.reschedule('digest', every('7s', { offset: 0 }))
  starting.resolve()
  await clock.advance(14_000)
  expect(slots).toEqual([0, 0])
})

it('a worker that a listener adds again, as the removed one has no health reason any more, has a run that can be cancelled', async () => {
  const clock = new ManualClock()
  await using manager = new DefaultBackgroundWorkerManager({ clock })
  const schedule = every('1s', { offset: 0 })
  await manager.add(periodicWorker({ name: 'digest', schedule, doWork: () => Promise.reject(new Error('no')) }))
  await manager.start()
  await clock.advance(3_000)
  const policy = { runOnStart: true }
  const doWork = async ({ signal }: PeriodicBackgroundWorkerContext) => void (await once(signal, 'abort'))
  manager.on('health-reason-cleared', () => manager.add(periodicWorker({ name: 'digest', schedule, policy, doWork })))
  await manager.remove('digest')
  const runId = (await manager.get('digest'))?.activeRun?.runId ?? 'none'
  expect(await manager.cancel(runId)).toBe(true)
})
