import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { ContractGroup } from '../contract-suite.ts'
import type { LockApplication } from './lock-application.ts'

/** One holder at a time. */
export const locks: ContractGroup<LockApplication> = {
  title: 'The lock of a worker',
  tests: {
    async 'is refused to others at once while it is held, and names the run that holds it'(app) {
      const [one, other] = await app.createTwo()
      await app.hold(one, 'sweep.m-1')
      assert.equal((await app.refusal(other, 'sweep.m-2')).blockedBy, 'sweep.m-1')
      assert.equal((await app.refusal(one, 'sweep.m-3')).blockedBy, 'sweep.m-1')
    },

    async 'is refused to a run of the same id too'(app) {
      const [one, other] = await app.createTwo()
      await app.hold(one, 'sweep.1')
      assert.equal((await app.refusal(other, 'sweep.1')).blockedBy, 'sweep.1')
      assert.equal((await app.refusal(one, 'sweep.1')).blockedBy, 'sweep.1')
    },

    async 'is free after its release'(app) {
      const [one, other] = await app.createTwo()
      const first = await app.hold(one, 'sweep.m-1')
      await first.release()
      const second = await app.hold(other, 'sweep.m-2')
      await second.release()
      await app.hold(one, 'sweep.m-3')
      assert.equal(first.signal.aborted, false)
    },

    async 'can be taken again while it is being released by the same process'(app) {
      const lock = await app.createLock()
      const first = await app.hold(lock, 'sweep.m-1')
      const released = first.release()
      await app.hold(lock, 'sweep.m-2')
      await released
    },

    async 'is released once, however often that is asked'(app) {
      const [one, other] = await app.createTwo()
      const first = await app.hold(one, 'sweep.m-1')
      await Promise.all([first.release(), first.release()])
      await app.hold(other, 'sweep.m-2')
      await first.release()
      assert.equal((await app.refusal(one, 'sweep.m-3')).blockedBy, 'sweep.m-2')
    },

    async 'is apart from the locks of other workers'(app) {
      const [one, other] = await app.createTwo()
      await app.hold(one, 'sweep.m-1')
      await app.hold(other, 'sweep-all.m-2')
      await app.hold(one, 'digest.m-3')
    },

    async 'is apart from the locks of other applications'(app) {
      const one = await app.createLock()
      const other = await app.createLock({ applicationName: `contract-${randomUUID()}` })
      await app.hold(one, 'sweep.m-1')
      await app.hold(other, 'sweep.m-2')
    },

    async 'is given to one of many who ask at a time'(app) {
      const processes = [await app.createLock(), await app.createLock(), await app.createLock()]
      const asked = Array.from({ length: 30 }, (_, index) =>
        app.ask(processes[index % 3] as (typeof processes)[0], `sweep.m-${index}`),
      )
      const answers = await Promise.all(asked)
      assert.equal(answers.filter(({ kind }) => kind === 'held').length, 1)
    },

    async 'can be had while a ping is answered, and a ping is answered while it can be had'(app) {
      const lock = await app.createLock()
      await lock.ping?.()
      await app.hold(lock, 'sweep.m-1')
      await lock.ping?.()
      await app.hold(lock, 'digest.m-1')
    },

    async 'is held for longer than its lease while its run goes on'(app) {
      const [one, other] = await app.createTwo()
      const hold = await app.hold(one, 'sweep.m-1')
      const left = await app.hold(one, 'digest.m-1')
      left.leave?.()
      await app.passLease(one)
      assert.equal((await app.refusal(other, 'sweep.m-2')).blockedBy, 'sweep.m-1')
      assert.equal((await app.refusal(other, 'digest.m-2')).blockedBy, 'digest.m-1')
      assert.deepEqual([hold.signal.aborted, left.signal.aborted], [false, false])
      await left.release()
      await app.hold(other, 'digest.m-3')
    },
  },
}
