import { TestProcess } from 'test-process'
import { beforeAll, describe, expect, it } from 'vitest'

/** In bytes for each worker, on top of `alone`. */
interface Cost {
  readonly alone: number
  readonly added: number
  readonly started: number
  readonly stopped: number
}

let cost: { readonly cron: Cost; readonly interval: Cost }

// A process of its own: nothing else is in its heap, and it can ask for a collection.
beforeAll(async () => {
  await using script = new TestProcess(new URL('fixtures/memory.ts', import.meta.url), {
    nodeArgs: ['--expose-gc', '--no-flush-bytecode'],
  })
  cost = JSON.parse(await script.line(/^{/))
}, 120_000)

describe('10,000 cron workers with distinct expressions', () => {
  it('stay under 4 KB of heap each', () => {
    expect(cost.cron.alone + cost.cron.started).toBeLessThan(4_096)
  })
})

describe('100,000 interval workers', () => {
  it('cost the manager less than 1 KB of heap each', () => {
    expect(cost.interval.started).toBeLessThan(1_024)
  })

  it('cost no more after a stop than before the start', () => {
    expect(cost.interval.stopped).toBeLessThan(cost.interval.added + 64)
  })
})
