import assert from 'node:assert/strict'
import type { ContractGroup } from '../contract-suite.ts'
import { type LockApplication, slotAt } from './lock-application.ts'

/** A slot is claimed once, and stays so after the run. */
export const slotClaims: ContractGroup<LockApplication> = {
  title: 'The claim of a slot',
  tests: {
    async 'outlives the run: an instance that comes to the slot later does not get it'(app) {
      const [one, other] = await app.createTwo()
      const hold = await app.hold(one, 'sweep.1', slotAt(1))
      await hold.release()
      assert.equal((await app.refusal(other, 'sweep.1', slotAt(1))).blockedBy, undefined)
      await app.refusal(one, 'sweep.1', slotAt(1))
    },

    async 'is of that slot only, so a clock that is ahead takes none from the others'(app) {
      const [one, other] = await app.createTwo()
      await (await app.hold(one, 'sweep.5', slotAt(5))).release()
      await (await app.hold(other, 'sweep.4', slotAt(4))).release()
      await (await app.hold(other, 'sweep.6', slotAt(6))).release()
      for (const minutes of [4, 5, 6]) await app.refusal(one, `sweep.${minutes}`, slotAt(minutes))
    },

    async 'gives each slot to one of many processes whose clocks are apart'(app) {
      const processes = [await app.createLock(), await app.createLock(), await app.createLock()]
      const started: number[] = []
      // In each round the processes come to other slots: one is two slots ahead, one two behind.
      for (let round = 0; round < 12; round++) {
        for (const [index, lock] of processes.entries()) {
          const minutes = round + index * 2
          const answer = await app.ask(lock, `sweep.${minutes}`, slotAt(minutes))
          if (answer.kind === 'refused') continue
          started.push(minutes)
          await answer.release()
        }
      }
      assert.deepEqual(
        started.toSorted((one, other) => one - other),
        Array.from({ length: 16 }, (_, minutes) => minutes),
      )
    },

    async 'is got by one of many who ask at a time, also when each is done at once'(app) {
      const processes = [await app.createLock(), await app.createLock(), await app.createLock()]
      for (const minutes of [1, 2, 3]) {
        const asked = Array.from({ length: 12 }, async (_, index) => {
          const answer = await app.ask(
            processes[index % 3] as (typeof processes)[0],
            `sweep.${minutes}`,
            slotAt(minutes),
          )
          if (answer.kind === 'held') await answer.release()
          return answer.kind
        })
        const kinds = await Promise.all(asked)
        assert.equal(kinds.filter((kind) => kind === 'held').length, 1, `slot ${minutes}`)
      }
    },

    async 'is not made by one whom the lock is refused'(app) {
      const [one, other] = await app.createTwo()
      const manual = await app.hold(one, 'sweep.m-1')
      assert.equal((await app.refusal(other, 'sweep.1', slotAt(1))).blockedBy, 'sweep.m-1')
      await manual.release()
      await app.hold(one, 'sweep.1', slotAt(1))
    },

    async 'is neither needed nor made by a run that is for no slot'(app) {
      const [one, other] = await app.createTwo()
      await (await app.hold(one, 'sweep.1', slotAt(1))).release()
      await (await app.hold(other, 'sweep.m-1')).release()
      await app.refusal(other, 'sweep.1', slotAt(1))
      await app.hold(other, 'sweep.2', slotAt(2))
    },

    async 'is apart from the claims of other workers'(app) {
      const [one, other] = await app.createTwo()
      await app.hold(one, 'sweep.1', slotAt(1))
      await app.hold(other, 'digest.1', slotAt(1))
    },

    async 'expires, so that a clock that was set back by much silences nobody'(app) {
      const lock = await app.createLock({ slotClaimTtlMs: 50 })
      await (await app.hold(lock, 'sweep.9', slotAt(9, 100))).release()
      await app.until('the slot is given again', async () => {
        const answer = await app.ask(lock, 'sweep.9', slotAt(9, 100))
        return answer.kind === 'held'
      })
    },

    async 'is kept while its slot may start, however short slotClaimTtlMs is'(app) {
      const lock = await app.createLock({ slotClaimTtlMs: 1 })
      await (await app.hold(lock, 'sweep.1', slotAt(1, 600_000))).release()
      await app.pass(200)
      await app.refusal(lock, 'sweep.1', slotAt(1, 600_000))
    },
  },
}
