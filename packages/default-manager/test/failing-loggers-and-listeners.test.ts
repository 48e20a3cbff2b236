import { beforeEach, describe, expect, it } from 'vitest'
import { HostileStage, PERIOD_MS, failWhereErrorsEscape, hostile } from './fixtures/hostile-stage.ts'

failWhereErrorsEscape()

let stage: HostileStage
beforeEach(() => {
  stage = new HostileStage()
})

describe('a logger that fails', () => {
  const trap = (): never => {
    throw new Error('no log')
  }
  const methods = { debug: trap, info: trap, warn: trap, error: trap }
  const rejecting = async () => trap()
  it.each([
    ['in its methods', methods],
    ['in child()', { ...methods, child: trap }],
    ['in a child that is none', { ...methods, child: () => undefined as never }],
    ['by rejecting', { debug: rejecting, info: rejecting, warn: rejecting, error: rejecting }],
  ])('%s stops nothing', async (_how, failing) => {
    stage = new HostileStage({ logger: failing })
    let runs = 0
    await stage.startWith(
      hostile(async (context) => {
        runs++
        context.logger.info({}, 'x')
        throw new Error('x')
      }),
    )
    await stage.clock.advance(2 * PERIOD_MS)
    expect([stage.goodRuns, runs]).toEqual([4, 2])
    await stage.manager.pause('hostile')
    expect(await stage.stop()).toEqual({ finished: 0, abandoned: [] })
  })
})

describe('a listener that fails', () => {
  it('by throwing or rejecting, on every event, breaks nothing', async () => {
    for (const event of [
      'run-started',
      'run-finished',
      'run-skipped',
      'worker-added',
      'health-changed',
      'worker-paused',
    ] as const) {
      stage.manager.on(event, () => {
        throw new Error('sync')
      })
      stage.manager.on(event, async () => {
        throw new Error('async')
      })
    }
    await stage.startWith(hostile(async () => Promise.reject(new Error('x'))))
    await stage.clock.advance(3 * PERIOD_MS)
    await stage.manager.pause('hostile')
    expect(stage.goodRuns).toBe(6)
    expect(stage.logger.linesOf('a listener failed').length).toBeGreaterThan(20)
    expect(await stage.stop()).toEqual({ finished: 0, abandoned: [] })
  })
})
