import { every } from '@background-workers/abstractions'
import { describe, it } from 'vitest'
import { PATIENCE, countingWorker, faultManager, ownApplication } from './fixtures/fault-manager.ts'
import { FaultProcess } from './fixtures/fault-process.ts'

describe.concurrent('a machine whose clock differs from Redis', () => {
  for (const shiftMs of [-5_000, 5_000]) {
    it(`by ${shiftMs} ms runs no slot twice or early by Redis time, and health says so`, async (test) => {
      const { expect } = test
      const { options } = await ownApplication(test)
      const shifted = await FaultProcess.start(test, {
        options,
        workers: [{ name: 'tidy', schedule: every(7_000), policy: { catchUpWindowMs: 60_000 } }],
        clockOffsetMs: shiftMs,
      })
      const { manager, countEvents } = faultManager(test, { ...options, queues: [] })
      await manager.add(countingWorker('tidy', every(7_000), () => {}, { catchUpWindowMs: 60_000 }).worker)
      await manager.start()
      await expect.poll(() => shifted.bodies('tidy').length, PATIENCE).toBeGreaterThan(2)
      // A slow machine makes more true besides, for a while.
      await expect
        .poll(async () => (await shifted.call('health')).value, PATIENCE)
        .toMatchObject({ status: 'degraded', reasons: [{ code: 'clock-skew' }] })
      const bodies = shifted
        .bodies('tidy')
        .map(({ runId, at }) => ({ slot: Number(runId.split('.')[1]), at: at - shiftMs }))
      expect(new Set(bodies.map(({ slot }) => slot)).size).toBe(bodies.length)
      for (const { slot, at } of bodies) {
        // By this machine's clock, which here is that of Redis.
        expect(at - slot).toBeGreaterThan(-50)
        expect(at - slot).toBeLessThan(Math.max(0, -shiftMs) + 4_000)
      }
      const records = await manager.runs('tidy')
      expect(records.filter(({ outcome }) => outcome === 'missed' || outcome === 'skipped')).toEqual([])
      expect(countEvents('schedules-repaired')).toBe(0)
    })
  }
})
