import { MAX_WAIT_MS } from '@background-workers/abstractions/for-managers'
import { ManualClock } from '@background-workers/abstractions/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Appointment, Timetable } from './timetable.ts'

class Item implements Appointment {
  dueAt: number | undefined
  heapIndex = -1
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

function createTimetable(clock = new ManualClock(0)) {
  const rung: [string, number][] = []
  const counts = { steppedBack: 0, armed: 0 }
  const steps: number[] = []
  const overdue: [string, number | undefined][] = []
  const counting = {
    now: () => clock.now(),
    monotonicNow: () => clock.monotonicNow(),
    setTimer: (callback: () => void, delayMs: number) => {
      counts.armed++
      return clock.setTimer(callback, delayMs)
    },
    clearTimer: (handle: object | number) => clock.clearTimer(handle),
  }
  const host = {
    clock: counting,
    due: (item: Item, dueAt: number): void => {
      rung.push([item.name, dueAt])
    },
    steppedBack: () => {
      counts.steppedBack++
    },
    ringing: (steppedMs: number) => {
      if (steppedMs !== 0) steps.push(steppedMs)
    },
    overdue: (item: Item): void => {
      overdue.push([item.name, item.dueAt])
    },
  }
  return { clock, rung, counts, steps, overdue, host, timetable: new Timetable<Item>(host) }
}

describe('Timetable', () => {
  it('tells what comes due, in order, and takes it out', async () => {
    const { clock, rung, timetable } = createTimetable()
    const [a, b, c] = [new Item('a'), new Item('b'), new Item('c')]
    timetable.set(a, 30)
    timetable.open()
    timetable.set(b, 10)
    timetable.set(c, 20)
    expect(timetable.first).toBe(b)
    await clock.advance(9)
    expect(rung).toEqual([])
    await clock.advance(50)
    expect(rung).toEqual([
      ['b', 10],
      ['c', 20],
      ['a', 30],
    ])
    expect([a.dueAt, b.dueAt, c.dueAt, timetable.first]).toEqual([undefined, undefined, undefined, undefined])
    expect(clock.timerCount).toBe(0)
  })

  it('has one timer, for however many appointments', () => {
    const { clock, timetable } = createTimetable()
    expect(clock.timerCount).toBe(0)
    timetable.open()
    for (let index = 0; index < 1_000; index++) timetable.set(new Item('x'), 1_000 + ((index * 7_919) % 1_000))
    expect(clock.timerCount).toBe(1)
    timetable.close()
    expect(clock.timerCount).toBe(0)
  })

  it('arms nothing before it is open, and nothing while it is empty', () => {
    const { clock, timetable } = createTimetable()
    timetable.set(new Item('a'), 10)
    expect(clock.timerCount).toBe(0)
    timetable.close()
    timetable.open()
    expect(clock.timerCount).toBe(0)
  })

  it('leaves its timer alone for an appointment that is not the first', () => {
    const { counts, timetable } = createTimetable()
    timetable.open()
    timetable.set(new Item('first'), 1_000)
    for (let index = 0; index < 100; index++) timetable.set(new Item('x'), 2_000 + index)
    expect(counts.armed).toBe(1)
    timetable.set(new Item('earlier'), 500)
    expect(counts.armed).toBe(2)
  })

  it('arms its alarm again when it rings early', async () => {
    const { clock, rung, timetable } = createTimetable()
    timetable.open()
    timetable.set(new Item('a'), 1_000)
    clock.step(-400)
    await clock.advance(1_000)
    expect(rung).toEqual([])
    expect(clock.timerCount).toBe(1)
    await clock.advance(399)
    expect(rung).toEqual([])
    await clock.advance(1)
    expect(rung).toEqual([['a', 1_000]])
  })

  it('moves an appointment, and takes one out', async () => {
    const { clock, rung, timetable } = createTimetable()
    const [a, b] = [new Item('a'), new Item('b')]
    timetable.open()
    timetable.set(a, 10)
    timetable.set(b, 20)
    timetable.set(a, 30)
    timetable.set(b, undefined)
    timetable.set(b, undefined)
    await clock.advance(29)
    expect(rung).toEqual([])
    await clock.advance(1)
    expect(rung).toEqual([['a', 30]])
  })

  it('tells of what is entered as due already in the next ring, so that it starves nobody', async () => {
    const { clock, timetable, host, rung } = createTimetable()
    const greedy = new Item('greedy')
    host.due = (item, dueAt) => {
      rung.push([item.name, dueAt])
      if (item === greedy && rung.length < 20) timetable.set(greedy, 10)
    }
    timetable.open()
    timetable.set(greedy, 10)
    timetable.set(new Item('other'), 10)
    await clock.advance(10)
    expect(rung.map(([name]) => name)).toEqual(['greedy', 'other'])
    await clock.advance(1)
    expect(rung.map(([name]) => name)).toEqual(['greedy', 'other', 'greedy'])
  })

  it('leaves what it tells of later in the same ring its due time until then', () => {
    const { clock, timetable, host } = createTimetable()
    const [a, b] = [new Item('a'), new Item('b')]
    const seen: unknown[] = []
    host.due = ({ name }) => seen.push([name, a.dueAt, b.dueAt, timetable.first])
    timetable.set(a, 10)
    timetable.set(b, 11)
    clock.sleep(11)
    timetable.ring()
    expect(seen).toEqual([
      ['a', undefined, 11, undefined],
      ['b', undefined, undefined, undefined],
    ])
  })

  it('keeps what is moved before it is told of in the same ring, and forgets what is taken out', () => {
    const { clock, rung, timetable, host } = createTimetable()
    const [a, moved, out] = [new Item('a'), new Item('moved'), new Item('out')]
    host.due = (item, dueAt) => {
      rung.push([item.name, dueAt])
      if (item !== a) return
      timetable.set(moved, 50)
      timetable.set(out, undefined)
    }
    for (const item of [a, moved, out]) timetable.set(item, 10)
    clock.sleep(10)
    timetable.ring()
    expect(rung.map(([name]) => name).sort()).toEqual(['a', 'moved', 'out'])
    expect([a.dueAt, moved.dueAt, out.dueAt, timetable.first]).toEqual([undefined, 50, undefined, moved])
    clock.sleep(40)
    timetable.ring()
    expect(rung.at(-1)).toEqual(['moved', 50])
    expect(timetable.first).toBeUndefined()
  })

  it('goes on ringing after its owner has thrown', async () => {
    const { clock, rung, timetable, host } = createTimetable()
    const { due } = host
    host.due = () => {
      throw new Error('owner')
    }
    timetable.open()
    timetable.set(new Item('a'), 10_000)
    timetable.set(new Item('b'), 20_000)
    clock.sleep(10_000)
    expect(() => timetable.ring()).toThrow('owner')
    host.due = due
    await clock.advance(10_000)
    expect(rung).toEqual([['b', 20_000]])
  })

  it('does not ring again when it is closed during a ring', async () => {
    const { clock, rung, timetable, host } = createTimetable()
    host.due = (item, dueAt) => {
      rung.push([item.name, dueAt])
      timetable.close()
    }
    timetable.open()
    for (const name of ['a', 'b']) timetable.set(new Item(name), 10)
    timetable.set(new Item('c'), 20)
    await clock.advance(20)
    expect(rung.map(([, dueAt]) => dueAt)).not.toContain(20)
    expect([clock.timerCount, timetable.first]).toEqual([0, undefined])
  })

  it('notices within a minute that the clock was set forward', async () => {
    const { clock, rung, timetable } = createTimetable()
    timetable.open()
    timetable.set(new Item('a'), 86_400_000)
    await clock.advance(1_000)
    clock.step(86_400_000)
    await clock.advance(MAX_WAIT_MS)
    expect(rung).toEqual([['a', 86_400_000]])
  })

  it('says within a minute that the clock was set back, once', async () => {
    const { clock, counts, timetable } = createTimetable(new ManualClock(10_000_000))
    timetable.open()
    timetable.set(new Item('a'), 90_000_000)
    clock.step(-5_000_000)
    await clock.advance(MAX_WAIT_MS)
    expect(counts.steppedBack).toBe(1)
    await clock.advance(10 * MAX_WAIT_MS)
    expect(counts.steppedBack).toBe(1)
  })

  it('says nothing of a clock that is trimmed by less than a second, nor after it was closed and opened', async () => {
    const { clock, counts, timetable } = createTimetable(new ManualClock(10_000_000))
    timetable.open()
    timetable.set(new Item('a'), 90_000_000)
    clock.step(-60_900)
    await clock.advance(MAX_WAIT_MS)
    timetable.close()
    clock.step(-5_000_000)
    timetable.open()
    timetable.set(new Item('a'), 90_000_000)
    await clock.advance(MAX_WAIT_MS)
    expect(counts.steppedBack).toBe(0)
  })

  it('knows a step back after a quiet time by what was entered last', async () => {
    const { clock, counts, timetable } = createTimetable(new ManualClock(10_000_000))
    const item = new Item('a')
    timetable.open()
    timetable.set(item, 10_060_000)
    timetable.set(item, undefined)
    await clock.advance(36_000_000)
    timetable.set(item, 46_010_000)
    clock.step(-30_000_000)
    await clock.advance(10_000)
    expect(counts.steppedBack).toBe(1)
  })

  it('adds up small steps back', () => {
    const { clock, counts, timetable } = createTimetable(new ManualClock(10_000_000))
    timetable.open()
    timetable.set(new Item('a'), 90_000_000)
    for (const expected of [0, 1, 1, 2]) {
      clock.step(-900)
      timetable.ring()
      expect(counts.steppedBack).toBe(expected)
    }
    timetable.close()
  })

  it('sees to a step back at once when an appointment moves its alarm', async () => {
    const { clock, counts, timetable } = createTimetable(new ManualClock(100_000_000))
    timetable.open()
    timetable.set(new Item('a'), 190_000_000)
    clock.step(-50_000_000)
    timetable.set(new Item('b'), 50_400_000)
    await clock.advance(1)
    expect(counts.steppedBack).toBe(1)
    timetable.close()
  })

  it('keeps the same order as a sorted list, whatever is entered, moved and taken out', async () => {
    const operation = fc.record({
      item: fc.nat(19),
      dueAt: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 80 }), async (operations) => {
        const { clock, rung, timetable } = createTimetable()
        const items = Array.from({ length: 20 }, (_, index) => new Item(`${index}`))
        for (const { item, dueAt } of operations) {
          timetable.set(items[item] as Item, dueAt)
          const times = items.flatMap((entry) => (entry.dueAt === undefined ? [] : [entry.dueAt]))
          expect(timetable.first?.dueAt).toBe(times.sort((one, other) => one - other)[0])
        }
        const model = items.filter(({ dueAt }) => dueAt !== undefined).map(({ name, dueAt }) => [name, dueAt] as const)
        timetable.open()
        clock.sleep(50)
        timetable.ring()
        expect(rung.map(([, dueAt]) => dueAt)).toEqual(model.map(([, dueAt]) => dueAt as number).sort((a, b) => a - b))
        expect(rung.map(([name]) => name).sort()).toEqual(model.map(([name]) => name).sort())
        expect(clock.timerCount).toBe(0)
      }),
      { seed: 7, numRuns: 300 },
    )
  })
})

describe('what a Timetable notices', () => {
  it('tells once that the wall clock was set, and by how much, and nothing of a small drift', async () => {
    const { clock, steps, timetable } = createTimetable()
    timetable.open()
    timetable.set(new Item('a'), 3_600_000)
    clock.step(900)
    await clock.advance(60_000)
    clock.step(-1_000)
    await clock.advance(60_000)
    expect(steps).toEqual([])
    clock.step(5_000)
    await clock.advance(180_000)
    clock.sleep(120_000)
    await clock.advance(60_000)
    clock.step(-30_000)
    await clock.advance(60_000)
    expect(steps).toEqual([5_000, 120_000, -30_000])
  })

  it('tells nothing of a clock that drifted while nothing was to come', async () => {
    const { clock, steps, timetable } = createTimetable()
    timetable.open()
    timetable.set(new Item('a'), 10)
    await clock.advance(10)
    clock.step(5_000)
    timetable.set(new Item('b'), clock.now() + 10)
    await clock.advance(10)
    expect(steps).toEqual([])
  })

  it('tells of the first that was due more than 10 s ago, and of no other', async () => {
    const { clock, overdue, rung, timetable } = createTimetable()
    timetable.open()
    timetable.set(new Item('a'), 60_000)
    timetable.set(new Item('b'), 60_001)
    clock.sleep(10_000)
    await clock.advance(60_000)
    expect(overdue).toEqual([])
    timetable.set(new Item('c'), clock.now() + 30_000)
    timetable.set(new Item('d'), clock.now() + 30_001)
    const dueAt = clock.now() + 30_000
    clock.sleep(10_001)
    await clock.advance(30_000)
    expect(overdue).toEqual([['c', dueAt]])
    expect(rung.map(([name]) => name)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('knows that its alarm has not rung, until one rings by itself', async () => {
    const manual = new ManualClock(0)
    let isDead = true
    const { host } = createTimetable(manual)
    const deaf = {
      ...host.clock,
      setTimer: (callback: () => void, delayMs: number) => manual.setTimer(() => !isDead && callback(), delayMs),
    }
    const timetable = new Timetable<Item>({ ...host, clock: deaf })
    timetable.open()
    expect(timetable.isRingingInTime).toBe(true)
    timetable.set(new Item('a'), 1_000)
    timetable.set(new Item('b'), 12_000)
    timetable.set(new Item('c'), 3_600_000)
    await manual.advance(11_000)
    expect(timetable.isRingingInTime).toBe(true)
    await manual.advance(1)
    expect(timetable.isRingingInTime).toBe(false)
    // Whoever rings it does not heal it.
    timetable.ring()
    expect(timetable.isRingingInTime).toBe(false)
    isDead = false
    await manual.advance(60_000)
    expect(timetable.isRingingInTime).toBe(true)
    timetable.close()
    expect(manual.timerCount).toBe(0)
  })
})
