import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe as subscribeTo, tracingChannel, unsubscribe as unsubscribeFrom } from 'node:diagnostics_channel'
import { afterEach, describe, expect, it } from 'vitest'
import { RunHarness } from '../test/run-harness.ts'
import { RunCancelledError } from './errors.ts'
import { RUN_CHANNEL_NAME, type RunTrace, TRIGGER_CHANNEL_NAME, type TriggerTrace, causeOfTrigger } from './tracing.ts'

const channel = tracingChannel<string, RunTrace>(RUN_CHANNEL_NAME)
let unsubscribe = () => {}
afterEach(() => unsubscribe())

function subscribe(atStart: (trace: RunTrace) => void = () => {}) {
  const events: [string, RunTrace][] = []
  const note = (name: string) => (message: unknown) => {
    events.push([name, { ...(message as RunTrace) }])
    if (name === 'start') atStart(message as RunTrace)
  }
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
      startedAt: run.record.startedAt,
      instanceId: 'i',
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

  it('calls every attempt in the context that a subscriber sets, and nothing else', async () => {
    const [first, second] = [new AsyncLocalStorage<string>(), new AsyncLocalStorage<string>()]
    const harness = new RunHarness()
    subscribe((trace) => {
      trace.within = (run) => first.run('first', run)
      const { within } = trace
      trace.within = (run) => second.run('second', () => within(run))
    })
    const seen: unknown[] = []
    harness.start(
      async ({ attempt }) => {
        await Promise.resolve()
        seen.push([attempt, first.getStore(), second.getStore()])
        if (attempt === 1) throw new Error('x')
      },
      { policy: { retry: { attempts: 2, backoffMs: 10 } } },
    )
    expect(first.getStore()).toBeUndefined()
    await harness.clock.advance(100)
    expect(seen).toEqual([
      [1, 'first', 'second'],
      [2, 'first', 'second'],
    ])
  })

  it.each<[string, NonNullable<RunTrace['within']>]>([
    [
      'throws before it calls the run',
      () => {
        throw new Error('no context')
      },
    ],
    [
      'throws after it has called the run',
      (run) => {
        run()
        throw new Error('no context')
      },
    ],
    ['calls the run twice', (run) => run() && run()],
    ['does not call the run', () => undefined as never],
  ])('calls the run once when a subscriber %s', async (_what, within) => {
    const harness = new RunHarness()
    const events = subscribe((trace) => {
      trace.within = within
    })
    let runs = 0
    const run = harness.start(async () => void runs++)
    await run.drained
    await harness.clock.settle()
    expect(runs).toBe(1)
    expect(events.at(-1)?.[0]).toBe('asyncEnd')
    expect(events.at(-1)?.[1].record).toMatchObject({ outcome: 'succeeded' })
  })

  it('costs nothing without a subscriber: not even the message is made', () => {
    let runs = 0
    const run = new RunHarness().createRun(async () => void runs++)
    Object.defineProperty(run.plan, 'cause', {
      get() {
        throw new Error('made')
      },
    })
    run.start()
    expect(runs).toBe(1)
  })
})

describe('the channel of triggers', () => {
  const causeBy = (subscriber: (trace: TriggerTrace) => void) => {
    const listener = (message: unknown) => subscriber(message as TriggerTrace)
    subscribeTo(TRIGGER_CHANNEL_NAME, listener)
    try {
      return causeOfTrigger('w')
    } finally {
      unsubscribeFrom(TRIGGER_CHANNEL_NAME, listener)
    }
  }

  it('asks its subscribers for the cause', () => {
    expect(
      causeBy((trace) => {
        trace.cause = `the caller of ${trace.worker}`
      }),
    ).toBe('the caller of w')
    expect(causeBy(() => {})).toBeUndefined()
    expect(causeOfTrigger('w')).toBeUndefined()
  })

  it.each([
    ['a text that is too long', 'x'.repeat(1_001)],
    ['a number', 7],
  ])('drops %s', (_what, cause) => {
    expect(
      causeBy((trace) => {
        trace.cause = cause as string
      }),
    ).toBeUndefined()
  })

  it('has its cause in the message of the run', async () => {
    const harness = new RunHarness()
    const events = subscribe()
    harness.start(async () => {}, { plan: { cause: 'the caller', kind: 'manual' } })
    await harness.clock.settle()
    expect(events[0]?.[1].cause).toBe('the caller')
  })
})
