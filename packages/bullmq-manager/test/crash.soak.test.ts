import { every } from '@background-workers/abstractions'
import { describe, it } from 'vitest'
import { HOUR_MS } from './fixtures/cluster.ts'
import { PATIENCE, countingWorker, faultManager, ownApplication } from './fixtures/fault-manager.ts'
import { FaultProcess } from './fixtures/fault-process.ts'
import { passed } from './fixtures/until.ts'

describe.concurrent('a worker that kills its process every time', () => {
  for (const [onCrash, starts] of [
    ['next-slot', 1],
    ['recover', 2],
  ] as const) {
    it(`starts ${starts} times at most for one run, with onCrash ${onCrash}`, async (test) => {
      const { expect } = test
      const { options } = await ownApplication(test)
      const policy = { onCrash }
      const spawn = () =>
        FaultProcess.start(test, {
          options,
          workers: [{ name: 'deadly', schedule: every(HOUR_MS), policy, work: 'kill-process' }],
        })
      // This one has the worker too, takes nothing, and so sees it all.
      const { manager } = faultManager(test, { ...options, queues: [] })
      await manager.add(countingWorker('deadly', every(HOUR_MS), () => {}, policy).worker)
      await manager.start()
      let process = await spawn()
      const runId = await manager.trigger('deadly')
      let started = 0
      let bodies = 0
      const endsAt = performance.now() + 120_000
      // Like a supervisor: a process that dies is started again.
      while (performance.now() < endsAt) {
        await passed(Date.now() + 200)
        if (!process.hasExited) continue
        bodies += process.bodies('deadly').length
        started++
        expect(started).toBeLessThanOrEqual(starts)
        process = await spawn()
      }
      expect(bodies).toBe(starts)
      await expect
        .poll(async () => (await manager.runs('deadly')).map((run) => run.outcome), PATIENCE)
        .toEqual(Array(starts).fill('lost'))
      expect((await manager.runs('deadly'))[0]).toMatchObject({ runId, reason: 'crash' })
      expect(await manager.get('deadly')).toMatchObject({ state: 'idle', consecutiveFailures: starts })
    }, 180_000)
  }
})
