import { describe, expect, it } from 'vitest'
import { RunHarness } from '../test/run-harness.ts'
import { InvalidOptionsError } from './errors.ts'
import { Lifecycle } from './lifecycle.ts'
import type { StopReport } from './manager.ts'

const parts = { options: { isEnabled: true, stopTimeoutMs: 30_000 }, instanceId: 'i' }

/** A lifecycle whose starts and stops are ended by hand. */
class Harness {
  readonly lifecycle = new Lifecycle(parts)
  readonly log: string[] = []
  readonly #starts: PromiseWithResolvers<void>[] = []
  readonly #stops: PromiseWithResolvers<StopReport>[] = []

  start(): Promise<void> {
    return this.lifecycle.start(() => {
      this.log.push('start')
      return push(this.#starts)
    })
  }

  stop(): Promise<StopReport> {
    return this.lifecycle.stop({}, () => {
      this.log.push('stop')
      return push(this.#stops)
    })
  }

  get state() {
    return this.lifecycle.state
  }

  /** Ends the work of the start under way. */
  async endStart(): Promise<void> {
    const start = await underWay(this.#starts)
    start.resolve()
  }

  async failStart(error: Error): Promise<void> {
    const start = await underWay(this.#starts)
    start.reject(error)
  }

  /** Ends the work of the stop under way. */
  async endStop(finished = 0): Promise<void> {
    const stop = await underWay(this.#stops)
    stop.resolve(report(finished))
  }

  async failStop(error: Error): Promise<void> {
    const stop = await underWay(this.#stops)
    stop.reject(error)
  }

  async started(): Promise<this> {
    const start = this.start()
    await this.endStart()
    await start
    return this
  }
}

function push<T>(list: PromiseWithResolvers<T>[]): Promise<T> {
  const waiting = Promise.withResolvers<T>()
  list.push(waiting)
  return waiting.promise
}

async function underWay<T>(list: PromiseWithResolvers<T>[]): Promise<PromiseWithResolvers<T>> {
  await turns()
  const work = list.shift()
  if (!work) throw new Error('No such work is under way.')
  return work
}

const turns = () => new Promise((resolve) => setImmediate(resolve))
const report = (finished: number): StopReport => ({ finished, abandoned: [] })

describe('Lifecycle', () => {
  it('goes from idle over starting, running and stopping to stopped', async () => {
    const harness = new Harness()
    expect(harness.state).toBe('idle')
    const start = harness.start()
    expect(harness.state).toBe('starting')
    expect(harness.lifecycle.isRunning).toBe(false)
    await harness.endStart()
    await start
    expect(harness.state).toBe('running')
    expect(harness.lifecycle.isRunning).toBe(true)
    const stop = harness.stop()
    expect(harness.state).toBe('stopping')
    expect(harness.lifecycle.isRunning).toBe(false)
    await harness.endStop(3)
    expect(await stop).toEqual(report(3))
    expect(harness.state).toBe('stopped')
  })

  it('shares one start among concurrent and later calls', async () => {
    const harness = new Harness()
    const first = harness.start()
    expect(harness.start()).toBe(first)
    await harness.endStart()
    await first
    expect(harness.start()).toBe(first)
    expect(harness.log).toEqual(['start'])
  })

  it('shares one stop among concurrent and later calls', async () => {
    const harness = await new Harness().started()
    const first = harness.stop()
    expect(harness.stop()).toBe(first)
    await harness.endStop(1)
    await first
    expect(harness.stop()).toBe(first)
    expect(harness.log).toEqual(['start', 'stop'])
  })

  it('has nothing to stop before the first start', async () => {
    const harness = new Harness()
    expect(await harness.stop()).toEqual(report(0))
    expect(harness.state).toBe('idle')
    expect(harness.log).toEqual([])
  })

  it('starts again after a stop, and stops again', async () => {
    const harness = await new Harness().started()
    const stop = harness.stop()
    await harness.endStop()
    await stop
    const start = harness.start()
    await harness.endStart()
    await start
    expect(harness.state).toBe('running')
    const again = harness.stop()
    await harness.endStop(2)
    expect(await again).toEqual(report(2))
    expect(harness.log).toEqual(['start', 'stop', 'start', 'stop'])
  })

  it('lets a stop during a start wait for that start', async () => {
    const harness = new Harness()
    const start = harness.start()
    const stop = harness.stop()
    await turns()
    expect(harness.log).toEqual(['start'])
    expect(harness.state).toBe('starting')
    await harness.endStart()
    await start
    await turns()
    expect(harness.log).toEqual(['start', 'stop'])
    await harness.endStop()
    await stop
    expect(harness.state).toBe('stopped')
  })

  it('lets a start during a stop wait for that stop', async () => {
    const harness = await new Harness().started()
    const stop = harness.stop()
    const start = harness.start()
    await turns()
    expect(harness.log).toEqual(['start', 'stop'])
    await harness.endStop()
    await stop
    await turns()
    expect(harness.log).toEqual(['start', 'stop', 'start'])
    await harness.endStart()
    await start
    expect(harness.state).toBe('running')
  })

  it('does start, stop, start one after the other when all are asked for at once', async () => {
    const harness = new Harness()
    const first = harness.start()
    const stop = harness.stop()
    const second = harness.start()
    expect(second).not.toBe(first)
    await harness.endStart()
    await harness.endStop()
    await harness.endStart()
    await Promise.all([first, stop, second])
    expect(harness.log).toEqual(['start', 'stop', 'start'])
    expect(harness.state).toBe('running')
  })

  it('does not stop twice when stop, start, stop are asked for the moment a start is done', async () => {
    const harness = new Harness()
    const first = harness.start()
    const stop = harness.stop()
    let later: Promise<unknown>[] = []
    void first.then(() => {
      later = [harness.start(), harness.stop()]
    })
    await harness.endStart()
    await turns()
    expect(harness.log).toEqual(['start', 'stop'])
    await harness.endStop()
    await stop
    await turns()
    expect(harness.log).toEqual(['start', 'stop', 'start'])
    await harness.endStart()
    await harness.endStop()
    await Promise.all(later)
    expect(harness.log).toEqual(['start', 'stop', 'start', 'stop'])
    expect(harness.state).toBe('stopped')
  })

  it.each([
    ['at once', false],
    ['after a stop, which has nothing to do', true],
  ])('is idle after a start that failed, and starts again %s', async (_when, isStoppedBetween) => {
    const harness = new Harness()
    const start = harness.start()
    await harness.failStart(new Error('no store'))
    await expect(start).rejects.toThrow('no store')
    expect(harness.state).toBe('idle')
    if (isStoppedBetween) expect(await harness.stop()).toEqual(report(0))
    const again = harness.start()
    await harness.endStart()
    await again
    expect(harness.log).toEqual(['start', 'start'])
    expect(harness.state).toBe('running')
  })

  it('has nothing to stop when the start that a stop waits for fails', async () => {
    const harness = new Harness()
    const start = harness.start()
    const stop = harness.stop()
    await harness.failStart(new Error('no store'))
    await expect(start).rejects.toThrow('no store')
    expect(await stop).toEqual(report(0))
    expect(harness.state).toBe('idle')
    expect(harness.log).toEqual(['start'])
  })

  it('carries out a start that is queued behind a stop behind a start that fails, once', async () => {
    const harness = new Harness()
    const first = harness.start()
    const stop = harness.stop()
    const second = harness.start()
    let third: Promise<void> | undefined
    const failed = first.catch(() => {
      third = harness.start()
    })
    await harness.failStart(new Error('no store'))
    await failed
    expect(await stop).toEqual(report(0))
    await turns()
    expect(harness.log).toEqual(['start', 'start'])
    expect(third).toBe(second)
    await harness.endStart()
    await second
    expect(harness.state).toBe('running')
  })

  it('starts after a stop that failed', async () => {
    const harness = await new Harness().started()
    const stop = harness.stop()
    const start = harness.start()
    await harness.failStop(new Error('no end'))
    await expect(stop).rejects.toThrow('no end')
    await harness.endStart()
    await start
    expect(harness.state).toBe('running')
  })

  it('keeps its order when the work itself asks for the opposite', async () => {
    const lifecycle = new Lifecycle(parts)
    const log: string[] = []
    const asked: Promise<unknown>[] = []
    await lifecycle.start(async () => {
      log.push('start')
      asked.push(
        lifecycle.stop({}, async () => {
          log.push('stop')
          asked.push(
            lifecycle.start(async () => {
              log.push('start again')
            }),
          )
          await turns()
          log.push('stopped')
          return report(0)
        }),
      )
      await turns()
      log.push('started')
    })
    await asked[0]
    await asked[1]
    expect(log).toEqual(['start', 'started', 'stop', 'stopped', 'start again'])
    expect(lifecycle.state).toBe('running')
  })

  it('ends as the last call wants it, whatever the order of calls', async () => {
    // Every sequence of six calls, each made one turn after the other or all at once.
    for (let bits = 0; bits < 2 ** 6; bits++) {
      for (const isSpread of [false, true]) {
        const lifecycle = new Lifecycle(parts)
        let active = 0
        const alone = async () => {
          active++
          await turns()
          expect(active).toBe(1)
          active--
          return report(0)
        }
        const calls: Promise<unknown>[] = []
        let hasStarted = false
        for (let index = 0; index < 6; index++) {
          const isStart = ((bits >> index) & 1) === 1
          hasStarted ||= isStart
          calls.push(isStart ? lifecycle.start(async () => void (await alone())) : lifecycle.stop({}, alone))
          if (isSpread) await Promise.resolve()
        }
        await Promise.all(calls)
        const isLastStart = bits >> 5 === 1
        expect(lifecycle.state).toBe(isLastStart ? 'running' : hasStarted ? 'stopped' : 'idle')
      }
    }
  })

  it('works from when the work of a start begins until a stop is asked for, unless the manager is disabled', async () => {
    const harness = new Harness()
    const seen = [harness.lifecycle.isWorking]
    const look = () => seen.push(harness.lifecycle.isWorking)
    const start = harness.start()
    look()
    await turns()
    look()
    await harness.endStart()
    await start
    look()
    const stop = harness.stop()
    look()
    await harness.endStop()
    await stop
    look()
    expect(seen).toEqual([false, false, true, true, false, false])

    const failing = harness.start()
    await harness.failStart(new Error('no store'))
    await expect(failing).rejects.toThrow('no store')
    expect(harness.lifecycle.isWorking).toBe(false)

    const disabled = new Lifecycle({ ...parts, options: { isEnabled: false, stopTimeoutMs: 1 } })
    await disabled.start(async () => {})
    expect([disabled.isRunning, disabled.isWorking]).toEqual([true, false])
  })

  it("stops within the call's timeout, or that of the manager", async () => {
    const lifecycle = new Lifecycle({ ...parts, options: { isEnabled: true, stopTimeoutMs: 70 } })
    const seen: number[] = []
    for (const options of [{}, { timeoutMs: 0 }, { timeoutMs: 5 }]) {
      await lifecycle.start(async () => {})
      await lifecycle.stop(options, async (timeoutMs) => {
        seen.push(timeoutMs)
        return report(0)
      })
    }
    expect(seen).toEqual([70, 0, 5])
  })

  it('refuses a bad stop, also one that has nothing to stop', () => {
    const { lifecycle } = new Harness()
    expect(() => lifecycle.stop({ timeoutMs: -1 }, async () => report(0))).toThrow(InvalidOptionsError)
  })

  it.each([
    ['does not wait for a run of the manager that itself stops it', 'i', true],
    ['leaves a run of another manager to that one', 'another', false],
  ])('%s', async (_fact, instanceId, isLeft) => {
    const lifecycle = new Lifecycle({ ...parts, instanceId })
    await lifecycle.start(async () => {})
    const runs = new RunHarness()
    const run = runs.start(async () => {
      await lifecycle.stop({}, async () => report(0))
      await new Promise(() => {})
    })
    let isDrained = false
    void run.drained.then(() => {
      isDrained = true
    })
    await turns()
    expect([lifecycle.state, run.isSettled, isDrained]).toEqual(['stopped', false, isLeft])
  })
})
