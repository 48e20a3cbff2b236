import { describe, expect, it } from 'vitest'
import { type StoppingWork, drain } from './drain.ts'
import { ManualClock } from './testing/manual-clock.ts'

/** Work that is ended by hand; counts its aborts. */
function createWork(worker: string, options: { runId?: string; endsWhenAborted?: boolean } = {}) {
  const { promise, resolve } = Promise.withResolvers<void>()
  const work = {
    worker,
    ...(options.runId !== undefined && { runId: options.runId }),
    done: promise,
    aborts: 0,
    end: resolve,
    abort() {
      work.aborts++
      if (options.endsWhenAborted) resolve()
    },
  } satisfies StoppingWork & Record<string, unknown>
  return work
}

describe('drain', () => {
  it('ends at once when there is nothing to wait for, and leaves no timer', async () => {
    const clock = new ManualClock()
    expect(await drain([], 30_000, clock)).toEqual([])
    expect(clock.timerCount).toBe(0)
  })

  it('ends as soon as the last work ends, without an abort', async () => {
    const clock = new ManualClock()
    const [one, two] = [createWork('one'), createWork('two')]
    let abandoned: unknown
    void drain([one, two], 30_000, clock).then((left) => {
      abandoned = left
    })
    one.end()
    await clock.advance(20_000)
    expect(abandoned).toBeUndefined()
    two.end()
    await clock.settle()
    expect(abandoned).toEqual([])
    expect([one.aborts, two.aborts]).toEqual([0, 0])
    expect(clock.timerCount).toBe(0)
  })

  it('aborts what is left at the deadline, waits 1 s more, and says what did not end', async () => {
    const clock = new ManualClock()
    const ended = createWork('ended')
    const heeding = createWork('heeding', { runId: 'heeding.1', endsWhenAborted: true })
    const deaf = createWork('deaf', { runId: 'deaf.1' })
    const plain = createWork('plain')
    let abandoned: unknown
    const abortsWhenPassed: number[] = []
    const deadlinePassed = () => void abortsWhenPassed.push(heeding.aborts + deaf.aborts)
    void drain([ended, heeding, deaf, plain], 5_000, clock, deadlinePassed).then((left) => {
      abandoned = left
    })
    ended.end()
    await clock.advance(4_999)
    expect([deaf.aborts, ...abortsWhenPassed]).toEqual([0])
    await clock.advance(1)
    expect(abortsWhenPassed).toEqual([0])
    expect([ended.aborts, heeding.aborts, deaf.aborts, plain.aborts]).toEqual([0, 1, 1, 1])
    await clock.advance(999)
    expect(abandoned).toBeUndefined()
    await clock.advance(1)
    expect(abandoned).toEqual([{ worker: 'deaf', runId: 'deaf.1' }, { worker: 'plain' }])
    expect([deaf.aborts, plain.aborts]).toEqual([1, 1])
    expect(clock.timerCount).toBe(0)
  })

  it('does not wait the whole second when all aborted work ends', async () => {
    const clock = new ManualClock()
    let abandoned: unknown
    void drain([createWork('w', { endsWhenAborted: true })], 10, clock).then((left) => {
      abandoned = left
    })
    await clock.advance(10)
    expect(abandoned).toEqual([])
    expect(clock.timerCount).toBe(0)
  })

  it('names a worker once, with its run, when its own stop waits for that run', async () => {
    const clock = new ManualClock()
    const result = drain([createWork('w', { runId: 'w.1' }), createWork('w'), createWork('other')], 0, clock)
    await clock.advance(2_000)
    expect(await result).toEqual([{ worker: 'w', runId: 'w.1' }, { worker: 'other' }])
  })

  it('names a worker whose stop does not end, though its run has ended and is still waited for', async () => {
    const clock = new ManualClock()
    const run = { ...createWork('w', { runId: 'w.1' }), hasEnded: () => true }
    const left = drain([run, createWork('w')], 0, clock)
    await clock.advance(2_000)
    expect(await left).toEqual([{ worker: 'w' }])
  })

  it('works with a deadline beyond what one timer can hold', async () => {
    const clock = new ManualClock()
    const work = createWork('w')
    const result = drain([work], 40 * 86_400_000, clock)
    await clock.advance(39 * 86_400_000)
    expect(work.aborts).toBe(0)
    await clock.advance(86_400_000)
    expect(work.aborts).toBe(1)
    await clock.advance(1_000)
    expect(await result).toEqual([{ worker: 'w' }])
  })
})
