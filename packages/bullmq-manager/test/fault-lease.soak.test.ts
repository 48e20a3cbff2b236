import { every } from '@background-workers/abstractions'
import { describe, it } from 'vitest'
import { HOUR_MS } from './fixtures/cluster.ts'
import { LATE_TIMERS_MS, PATIENCE, countingWorker, faultManager, ownApplication } from './fixtures/fault-manager.ts'
import { FaultProcess } from './fixtures/fault-process.ts'
import { passed } from './fixtures/until.ts'

const FROZEN_MS = 38_000

describe.concurrent('a process that is away for longer than its lease', () => {
  for (const how of ['is stopped by a signal', 'blocks its event loop'] as const) {
    it(`(${how}) has its run recorded as lost elsewhere, aborts it, and overwrites nothing`, async (test) => {
      const { expect } = test
      const { options } = await ownApplication(test)
      const isBlocked = how === 'blocks its event loop'
      const zombie = await FaultProcess.start(test, {
        options,
        workers: [
          { name: 'long', schedule: every(HOUR_MS), work: 'ignore-signal', forMs: FROZEN_MS + 5_000 },
          { name: 'blocker', schedule: every(HOUR_MS), work: 'block', forMs: FROZEN_MS },
        ],
      })
      const { value: runId } = await zombie.call('trigger', 'long')
      await zombie.waitFor((event) => event.event === 'body' && event.worker === 'long')
      if (isBlocked) {
        // Before there is another instance that could take it. Its answer comes when the loop is free again.
        void zombie.call('trigger', 'blocker').catch(() => {})
        await zombie.waitFor((event) => event.event === 'body' && event.worker === 'blocker')
      }
      const { manager } = faultManager(test, options)
      const long = countingWorker('long', every(HOUR_MS))
      await manager.add(long.worker)
      await manager.add(countingWorker('blocker', every(HOUR_MS)).worker)
      await manager.start()
      if (!isBlocked) zombie.signal('SIGSTOP')
      const awake = passed(Date.now() + FROZEN_MS).then(() => zombie.signal('SIGCONT'))

      const record = async () => (await manager.runs('long')).find((run) => run.runId === runId)
      await expect.poll(record, { ...PATIENCE, timeout: 45_000 }).toMatchObject({ outcome: 'lost', reason: 'crash' })
      // The guard is free: it runs elsewhere while the zombie sleeps.
      const next = await manager.trigger('long')
      await awake
      await zombie.waitFor((event) => event.event === 'aborted' && event.runId === runId && event.code === 'lease-lost')
      await zombie.waitFor((event) => event.event === 'body-ended' && event.worker === 'long' && event.runId === runId)
      await passed(Date.now() + 3_000)
      expect(await record()).toMatchObject({ outcome: 'lost', reason: 'crash' })
      await expect
        .poll(async () => (await manager.runs('long')).find((run) => run.runId === next)?.outcome, PATIENCE)
        .toBe('succeeded')
      expect(await manager.get('long')).toMatchObject({ state: 'idle', lastRun: { runId: next } })
      // It is a good citizen again.
      await expect
        .poll(async () => (await zombie.call('health')).value, PATIENCE)
        .toMatchObject({ instances: [{}, {}] })
      const { runningMs } = await zombie.call('stop', { timeoutMs: 1_000 })
      expect(runningMs).toBeLessThan(1_000 + LATE_TIMERS_MS)
      expect(await zombie.waitForExit(10_000)).toMatchObject({ code: 0 })
      expect(zombie.errors).toBe('')
    }, 150_000)
  }
})
