import { RunTimeoutError, type StopReport, cron, every, periodicWorker } from '@background-workers/abstractions'
import { ManualClock } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { expect, it } from 'vitest'

it('waits for the run that armed the alarm when a listener stops the manager at the next slot', async () => {
  // The system's clock: only its timers remember what they were set in.
  const manager = new DefaultBackgroundWorkerManager()
  const rarely = cron('0 0 29 2 *')
  const slow = periodicWorker({
    name: 'slow',
    schedule: rarely,
    async doWork() {
      // Moves the alarm from inside a run.
      await manager.reschedule('other', every('50ms'))
      await new Promise(() => {})
    },
  })
  await manager.add(slow)
  await manager.add(periodicWorker({ name: 'other', schedule: rarely, doWork: () => {} }))
  await manager.start()
  const runId = await manager.trigger('slow')
  let stopping: Promise<StopReport> | undefined
  manager.on('run-started', ({ worker }) => {
    if (worker === 'other') stopping = manager.stop({ timeoutMs: 0 })
  })
  await expect.poll(() => stopping !== undefined).toBe(true)
  expect((await stopping)?.abandoned).toEqual([{ worker: 'slow', runId }])
})

it('waits for a run that has stopped and started the manager itself, aborts and names it', async () => {
  const clock = new ManualClock()
  const manager = new DefaultBackgroundWorkerManager({ clock })
  let signal: AbortSignal | undefined
  const restarting = periodicWorker({
    name: 'restarting',
    schedule: every('1h', { offset: 0 }),
    async doWork(context) {
      signal = context.signal
      await manager.stop()
      await manager.start()
      await new Promise(() => {})
    },
  })
  await manager.add(restarting)
  await manager.start()
  const runId = await manager.trigger('restarting')
  await clock.settle()
  const stopping = manager.stop({ timeoutMs: 1_000 })
  await clock.advance(999)
  expect([manager.state, signal?.aborted]).toEqual(['stopping', false])
  await clock.advance(1_001)
  expect(await stopping).toEqual({ finished: 0, abandoned: [{ worker: 'restarting', runId }] })
  expect(signal?.aborted).toBe(true)
})

it('leaves its timeout to a run that stops the manager itself', async () => {
  const clock = new ManualClock()
  const manager = new DefaultBackgroundWorkerManager({ clock })
  let signal: AbortSignal | undefined
  await manager.add(
    periodicWorker({
      name: 'last-one',
      schedule: every('1h', { offset: 0 }),
      policy: { timeoutMs: 1_000 },
      async doWork(context) {
        signal = context.signal
        await manager.stop()
        await new Promise(() => {})
      },
    }),
  )
  await manager.start()
  await manager.trigger('last-one')
  await clock.settle()
  expect([manager.state, signal?.aborted]).toEqual(['stopped', false])
  await clock.advance(1_000)
  expect(signal?.reason).toBeInstanceOf(RunTimeoutError)
})
