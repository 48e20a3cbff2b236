import { cron, periodicWorker } from '@background-workers/abstractions'
import { waitForRun } from '@background-workers/abstractions/testing'
import { freshApplicationName, removeApplication } from 'test-redis'
import { describe, expect, inject, it } from 'vitest'
import { BullMqBackgroundWorkerManager } from '../src/index.ts'

const connection = inject('redisUrl')

/** A manager with one worker that runs until its signal is aborted, the first time it is called. */
async function startManager(applicationName: string, onCrash: 'recover' | 'next-slot', calls: string[]) {
  const manager = new BullMqBackgroundWorkerManager({ applicationName, connection, stopTimeoutMs: 0 })
  await manager.add(
    periodicWorker({
      name: 'export',
      schedule: cron('0 0 29 2 *'),
      policy: { onCrash },
      async doWork({ runId, signal }) {
        calls.push(runId)
        if (calls.length === 1) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    }),
  )
  await manager.start()
  return manager
}

describe.concurrent('a run that a stop has aborted', () => {
  it('is run again once with onCrash recover, under its own run id', async () => {
    const applicationName = freshApplicationName()
    const calls: string[] = []
    const first = await startManager(applicationName, 'recover', calls)
    const runId = await first.trigger('export')
    await expect.poll(() => calls).toEqual([runId])
    await first.stop()

    const second = await startManager(applicationName, 'recover', calls)
    await waitForRun(second, 'export', { runId, outcome: 'succeeded', timeoutMs: 60_000 })
    expect(calls).toEqual([runId, runId])
    const records = await second.runs('export')
    expect(records.map(({ runId: id, outcome, reason }) => [id, outcome, reason])).toEqual([
      [runId, 'succeeded', undefined],
      [runId, 'aborted', 'stop'],
    ])
    await second.stop()
    await removeApplication(connection, applicationName)
  })

  it('is not run again without it', async () => {
    const applicationName = freshApplicationName()
    const calls: string[] = []
    const first = await startManager(applicationName, 'next-slot', calls)
    const runId = await first.trigger('export')
    await expect.poll(() => calls).toEqual([runId])
    await first.stop()

    const second = await startManager(applicationName, 'next-slot', calls)
    const next = await second.trigger('export')
    await waitForRun(second, 'export', { runId: next, outcome: 'succeeded', timeoutMs: 60_000 })
    expect(calls).toEqual([runId, next])
    await second.stop()
    await removeApplication(connection, applicationName)
  })
})

describe.concurrent('a run that is cancelled on another instance', () => {
  it('is aborted where it runs, and says by whom', async () => {
    const applicationName = freshApplicationName()
    const calls: string[] = []
    const runner = await startManager(applicationName, 'next-slot', calls)
    const other = new BullMqBackgroundWorkerManager({ applicationName, connection, isEnabled: false })
    await other.start()
    const runId = await other.trigger('export')
    await expect.poll(() => calls).toEqual([runId])
    expect(await other.cancel(runId, { by: 'ann' })).toBe(true)
    const record = await waitForRun(other, 'export', { runId, timeoutMs: 60_000 })
    expect(record).toMatchObject({ outcome: 'aborted', reason: 'cancelled', by: 'ann' })
    expect(await other.cancel(runId)).toBe(false)
    await Promise.all([runner.stop(), other.stop()])
    await removeApplication(connection, applicationName)
  })
})
