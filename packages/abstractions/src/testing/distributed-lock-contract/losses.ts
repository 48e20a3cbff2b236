import assert from 'node:assert/strict'
import { BackgroundWorkerError } from '../../errors.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { type LockApplication, slotAt } from './lock-application.ts'

/** A lock that is lost is told to its holder. */
export const losses: ContractGroup<LockApplication> = {
  title: 'A lock that is lost',
  tests: {
    async 'aborts the signal of its hold with a LeaseLostError that names worker and run'(app) {
      const lock = await app.createLock()
      const lost = await app.hold(lock, 'sweep.m-1')
      const kept = await app.hold(lock, 'digest.m-1')
      await app.lose(lock, 'sweep')
      await app.until('the signal is aborted', () => lost.signal.aborted)
      const error: unknown = lost.signal.reason
      assert.ok(BackgroundWorkerError.is(error))
      assert.equal(error.code, 'lease-lost')
      assert.match(error.message, /sweep\.m-1/)
      assert.equal(kept.signal.aborted, false)
    },

    async 'can be had by another, whom a late release does not disturb'(app) {
      const [one, other] = await app.createTwo()
      const lost = await app.hold(one, 'sweep.m-1')
      await app.lose(one, 'sweep')
      await app.until('the signal is aborted', () => lost.signal.aborted)
      const next = await app.hold(other, 'sweep.m-2')
      await lost.release()
      assert.equal((await app.refusal(one, 'sweep.m-3')).blockedBy, 'sweep.m-2')
      assert.equal(next.signal.aborted, false)
    },

    async 'leaves the slot claimed'(app) {
      const [one, other] = await app.createTwo()
      const lost = await app.hold(one, 'sweep.1', slotAt(1))
      await app.lose(one, 'sweep')
      await app.until('the signal is aborted', () => lost.signal.aborted)
      await app.refusal(other, 'sweep.1', slotAt(1))
      await app.hold(other, 'sweep.2', slotAt(2))
    },
  },
}
