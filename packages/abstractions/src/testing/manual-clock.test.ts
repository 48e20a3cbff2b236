import { describe, expect, it, vi } from 'vitest'
import { InvalidOptionsError } from '../errors.ts'
import { ManualClock } from './manual-clock.ts'

describe('ManualClock', () => {
  it('starts where it is told, and on 1 January 2026 by default', () => {
    expect(new ManualClock().now()).toBe(Date.UTC(2026, 0, 1))
    expect(new ManualClock(5).now()).toBe(5)
    expect(new ManualClock(5).monotonicNow()).toBe(0)
  })

  it('fires what comes due in the order of time, then of setting', async () => {
    const clock = new ManualClock(0)
    const fired: string[] = []
    clock.setTimer(() => fired.push(`late ${clock.now()}`), 20)
    clock.setTimer(() => fired.push(`early ${clock.now()}`), 10)
    clock.setTimer(() => fired.push(`late too ${clock.now()}`), 20)
    clock.setTimer(() => fired.push('never'), 31)
    await clock.advance(30)
    expect(fired).toEqual(['early 10', 'late 20', 'late too 20'])
    expect([clock.now(), clock.monotonicNow(), clock.timerCount]).toEqual([30, 30, 1])
  })

  it('fires timers that timers set, in the same advance', async () => {
    const clock = new ManualClock(0)
    const times: number[] = []
    const again = () => {
      times.push(clock.now())
      clock.setTimer(again, 10)
    }
    clock.setTimer(again, 10)
    await clock.advance(35)
    expect(times).toEqual([10, 20, 30])
  })

  it('lets what a timer set off go on before the next timer', async () => {
    const clock = new ManualClock(0)
    const log: string[] = []
    const work = async () => {
      log.push('one')
      await Promise.resolve()
      await Promise.resolve()
      log.push('after one')
    }
    clock.setTimer(() => void work(), 10)
    clock.setTimer(() => log.push('two'), 10)
    await clock.advance(10)
    expect(log).toEqual(['one', 'after one', 'two'])
  })

  it('takes timers back, also ones that have fired', async () => {
    const clock = new ManualClock(0)
    let fired = 0
    const handle = clock.setTimer(() => fired++, 10)
    clock.clearTimer(handle)
    clock.clearTimer(handle)
    await clock.advance(100)
    expect(fired).toBe(0)
  })

  it.each([0, -1, Number.NaN, 2 ** 31, Number.POSITIVE_INFINITY])(
    'makes 1 ms of a delay of %d, as Node does',
    async (delayMs) => {
      const clock = new ManualClock(0)
      let fired = 0
      clock.setTimer(() => fired++, delayMs)
      await clock.advance(0)
      expect(fired).toBe(0)
      await clock.advance(1)
      expect(fired).toBe(1)
    },
  )

  it('steps and sleeps with the wall clock only; no timer fires', async () => {
    const clock = new ManualClock(1_000)
    let fired = 0
    clock.setTimer(() => fired++, 10)
    clock.step(-500)
    clock.sleep(10_000)
    await clock.settle()
    expect([clock.now(), clock.monotonicNow(), fired]).toEqual([10_500, 0, 0])
    await clock.advance(10)
    expect([clock.now(), fired]).toEqual([10_510, 1])
  })

  it('refuses to let time go backward', async () => {
    const clock = new ManualClock(1_000)
    await expect(clock.advance(-1)).rejects.toThrow(InvalidOptionsError)
    await expect(clock.advance(-1)).rejects.toThrow(
      'ManualClock: advance(-1) must be a finite number of ms, 0 or more.',
    )
    expect([clock.now(), clock.monotonicNow()]).toEqual([1_000, 0])
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, '5', new Date(0), undefined])(
    'refuses %s where it needs a number of ms',
    async (bad) => {
      const ms = bad as number
      const clock = new ManualClock(1_000)
      await expect(clock.advance(ms)).rejects.toThrow(InvalidOptionsError)
      for (const call of [() => clock.step(ms), () => clock.sleep(ms), () => new ManualClock(ms ?? (null as never))]) {
        expect(call).toThrow(InvalidOptionsError)
      }
      expect([clock.now(), clock.monotonicNow()]).toEqual([1_000, 0])
    },
  )

  it('says what it needs', () => {
    expect(() => new ManualClock(new Date(0) as never)).toThrow(
      'ManualClock: startMs must be a finite number of ms since the epoch, got an object. Of a Date pass getTime().',
    )
    expect(() => new ManualClock().step(Number.NaN)).toThrow('ManualClock: step(NaN) must be a finite number of ms.')
  })

  it('lets time pass for work that advances it while it is advanced', async () => {
    const clock = new ManualClock(0)
    const log: string[] = []
    const work = async () => {
      log.push(`begins ${clock.now()}`)
      await clock.advance(500)
      log.push(`ends ${clock.now()}`)
    }
    clock.setTimer(() => void work(), 100)
    clock.setTimer(() => log.push(`amid ${clock.now()}`), 300)
    clock.setTimer(() => log.push(`after ${clock.now()}`), 601)
    await clock.advance(1_000)
    expect(log).toEqual(['begins 100', 'amid 300', 'ends 600', 'after 601'])
    expect([clock.now(), clock.monotonicNow()]).toEqual([1_000, 1_000])
  })

  it('never goes back when work advances it beyond the end', async () => {
    const clock = new ManualClock(0)
    let ended: number | undefined
    const work = async () => {
      await clock.advance(500)
      ended = clock.now()
    }
    clock.setTimer(() => void work(), 900)
    await clock.advance(1_000)
    expect([clock.now(), ended]).toEqual([1_000, undefined])
    await clock.advance(1_000)
    expect([clock.now(), ended]).toEqual([2_000, 1_400])
  })

  it('lets the same time pass for two who advance it at a time', async () => {
    const clock = new ManualClock(0)
    const times: number[] = []
    const advance = async (ms: number) => {
      await clock.advance(ms)
      times.push(clock.now())
    }
    await Promise.all([advance(500), advance(200), advance(500)])
    expect(times).toEqual([200, 500, 500])
  })

  it('fails the advance in which a timer fails, and goes on in the next', async () => {
    const clock = new ManualClock(0)
    const failure = new Error('boom')
    clock.setTimer(() => {
      throw failure
    }, 100)
    await expect(clock.advance(1_000)).rejects.toBe(failure)
    await clock.advance(400)
    expect(clock.now()).toBe(500)
  })

  it("goes on under a test's fake timers", async () => {
    vi.useFakeTimers()
    try {
      const clock = new ManualClock(0)
      let fired = 0
      clock.setTimer(() => fired++, 10)
      await clock.advance(10)
      expect(fired).toBe(1)
    } finally {
      vi.useRealTimers()
    }
  })
})
