import { tracingChannel } from 'node:diagnostics_channel'
import { afterEach, describe, expect, it } from 'vitest'
import { RunHarness } from '../test/run-harness.ts'
import { RunCancelledError } from './errors.ts'
import { RUN_CHANNEL_NAME, type RunTrace, traceRun } from './tracing.ts'

const channel = tracingChannel<string, RunTrace>(RUN_CHANNEL_NAME)
let unsubscribe = () => {}
afterEach(() => unsubscribe())

function subscribe() {
  const events: [string, RunTrace][] = []
  const note = (name: string) => (message: unknown) => void events.push([name, { ...(message as RunTrace) }])
  const subscribers = {
    start: note('start'),
    end: note('end'),
    asyncStart: note('asyncStart'),
    asyncEnd: note('asyncEnd'),
    error: note('error'),
  }
  channel.subscribe(subscribers)
  unsubscribe = () => channel.unsubscribe(subscribers)
  return events
}

describe('the channel of runs', () => {
  it('tells of the start before doWork is called, and of the end with the record', async () => {
    const harness = new RunHarness()
    const events = subscribe()
    let atWork: string[] = []
    const run = harness.start(async () => {
      atWork = events.map(([name]) => name)
    })
    await run.drained
    await harness.clock.settle()
    expect(atWork).toEqual(['start'])
    expect(events.map(([name]) => name)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd'])
    expect(events[0]?.[1]).toEqual({
      runId: 'w.1',
      worker: 'w',
      kind: 'scheduled',
      scheduledFor: run.record.scheduledFor,
    })
    expect(events[3]?.[1].record).toBe(run.record)
  })

  it('tells of a run that fails as an error, with the recorded error', async () => {
    const harness = new RunHarness()
    const events = subscribe()
    const run = harness.start(async () => Promise.reject(new Error('boom')))
    await run.drained
    await harness.clock.settle()
    expect(events.map(([name]) => name)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd'])
    expect(events[2]?.[1]).toMatchObject({ error: run.record.error, record: { outcome: 'failed' } })
  })

  it('tells of an abort when the outcome is fixed, not when doWork returns', async () => {
    const harness = new RunHarness()
    const events = subscribe()
    const work = Promise.withResolvers<void>()
    const run = harness.start(() => work.promise)
    run.abort(new RunCancelledError('w', 'w.1'))
    await harness.clock.settle()
    expect(events.at(-1)?.[0]).toBe('asyncEnd')
    expect(events.at(-1)?.[1].record?.reason).toBe('cancelled')
    work.resolve()
    await run.drained
    expect(events).toHaveLength(5)
  })

  it('makes one message per run', async () => {
    const harness = new RunHarness()
    const events = subscribe()
    harness.start(async ({ attempt }) => void (attempt === 1 && (await Promise.reject(new Error('x')))), {
      policy: { retry: { attempts: 2, backoffMs: 10 } },
    })
    await harness.clock.advance(100)
    expect(events.filter(([name]) => name === 'start')).toHaveLength(1)
    expect(events.filter(([name]) => name === 'asyncEnd')).toHaveLength(1)
  })

  it('costs nothing without a subscriber: not even the message is made', () => {
    let runs = 0
    traceRun(
      () => {
        throw new Error('made')
      },
      async () => {
        runs++
        return {} as never
      },
    )
    expect(runs).toBe(1)
  })
})
