import { setTimeout as delay } from 'node:timers/promises'
import {
  type HealthCode,
  type IBackgroundWorkerManager,
  type PeriodicBackgroundWorkerContext,
  type PeriodicWorkerPolicy,
  cron,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { healthReport } from '@background-workers/abstractions/for-managers'
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type BackgroundWorkersInstrumentation, instrumentBackgroundWorkers } from '../src/index.ts'
import { Telemetry, withoutPrefix } from './telemetry.ts'

const HEALTH_CODES = Object.keys({
  'not-running': 0,
  'no-progress': 0,
  stuck: 0,
  overdue: 0,
  'store-lost': 0,
  'start-failed': 0,
  failing: 0,
  orphaned: 0,
  'no-handler': 0,
  'no-next-slot': 0,
  'never-ran': 0,
  lost: 0,
  'event-loop-lag': 0,
  'clock-skew': 0,
} satisfies Record<HealthCode, 0>) as HealthCode[]

/** What the suite needs of a manager. */
export interface SuiteParts {
  /** A manager of a fresh application. */
  readonly createManager: () => IBackgroundWorkerManager
  /** Lets time pass, by hand or really. */
  readonly advance: (ms: number) => Promise<void>
  /** After the manager has stopped. */
  readonly cleanUp: () => Promise<void>
}

/** What instrumentation promises on every manager. */
export function instrumentationSuite({ createManager, advance, cleanUp }: SuiteParts): void {
  let telemetry: Telemetry
  let manager: IBackgroundWorkerManager
  let instrumentation: BackgroundWorkersInstrumentation

  beforeAll(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  })
  afterAll(() => {
    context.disable()
  })
  beforeEach(() => {
    telemetry = new Telemetry()
    manager = createManager()
    instrumentation = instrumentBackgroundWorkers(manager, { ...telemetry.providers, applicationName: 'shop' })
  })
  afterEach(async () => {
    const stopped = manager.stop({ timeoutMs: 0 })
    await during(stopped)
    instrumentation.dispose()
    await telemetry.shutdown()
    await cleanUp()
  })

  /** Adds a worker that has no slot while the test runs. */
  async function start(
    doWork: (work: PeriodicBackgroundWorkerContext) => unknown,
    policy: PeriodicWorkerPolicy = {},
  ): Promise<void> {
    const worker = { name: 'digest', schedule: cron('0 0 29 2 *'), policy }
    await manager.add(periodicWorker({ ...worker, doWork: async (work) => void (await doWork(work)) }))
    await manager.start()
  }

  async function until<T>(fact: () => T | Promise<T>): Promise<NonNullable<T>> {
    for (;;) {
      const found = await fact()
      if (found) return found
      await advance(20)
    }
  }

  async function during<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settled = promise.finally(() => {
      isSettled = true
    })
    while (!isSettled) await advance(20)
    return settled
  }

  /** Triggers a run and gives its span, when that has ended. */
  async function spanOfRun() {
    const runId = await manager.trigger('digest')
    return until(() => telemetry.spanOf(runId))
  }

  /** Starts a run that works until its signal is aborted. */
  async function startRunUntilAborted(): Promise<string> {
    const isAtWork = Promise.withResolvers<void>()
    await start(({ signal }) => {
      isAtWork.resolve()
      return aborted(signal)
    })
    const runId = await manager.trigger('digest')
    await during(isAtWork.promise)
    return runId
  }

  const tracer = () => telemetry.tracerProvider.getTracer('test')

  describe('the span of a run', () => {
    it('is the root of a trace of its own, and linked to the span that triggered it', async () => {
      await tracer().startActiveSpan('GET /starts', async (span) => {
        await start(() => undefined)
        span.end()
      })
      const { triggering, runId } = await tracer().startActiveSpan('POST /triggers', async (span) => {
        const id = await manager.trigger('digest')
        span.end()
        return { triggering: span.spanContext(), runId: id }
      })
      const span = await until(() => telemetry.spanOf(runId))
      expect(span.name).toBe('run digest')
      expect(span.kind).toBe(SpanKind.INTERNAL)
      expect(span.parentSpanContext).toBeUndefined()
      expect(span.spanContext().traceId).not.toBe(triggering.traceId)
      const { traceId, spanId, traceFlags } = triggering
      expect(span.links.map((link) => link.context)).toEqual([{ traceId, spanId, traceFlags, isRemote: true }])
    })

    it('has no link when no span was active at the trigger', async () => {
      await tracer().startActiveSpan('GET /starts', async (span) => {
        await start(() => undefined)
        span.end()
      })
      expect((await spanOfRun()).links).toEqual([])
    })

    it('is active in doWork, also after it has waited and at its next attempts, with nothing foreign around it', async () => {
      const seen: unknown[] = []
      const baggageSeen: unknown[] = []
      const note = () => {
        seen.push(trace.getActiveSpan()?.spanContext().spanId)
        baggageSeen.push(propagation.getActiveBaggage())
        tracer().startSpan('query').end()
      }
      await start(
        async ({ attempt }) => {
          note()
          await delay(1)
          note()
          if (attempt === 1) throw new Error('not yet')
        },
        { retry: { attempts: 2, backoffMs: 20 } },
      )
      const baggage = propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage({ user: { value: 'ada' } }))
      const runId = await context.with(baggage, () => manager.trigger('digest'))
      const span = await until(() => telemetry.spanOf(runId))
      const { spanId, traceId } = span.spanContext()
      expect(seen).toEqual([spanId, spanId, spanId, spanId])
      expect(baggageSeen).toEqual(Array(4).fill(undefined))
      const children = telemetry.spans.filter(({ name }) => name === 'query')
      expect(children.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual(seen)
      expect(children.map((child) => child.spanContext().traceId)).toEqual(Array(4).fill(traceId))
      expect(trace.getActiveSpan()).toBeUndefined()
    })

    it('is a root without a link when a slot came due, whatever was active where the manager started', async () => {
      await manager.add(periodicWorker({ name: 'digest', schedule: every('1s'), async doWork() {} }))
      await tracer().startActiveSpan('GET /starts', async (span) => {
        await manager.start()
        span.end()
      })
      const isOfSlot = ({ attributes }: ReadableSpan) => attributes['background_workers.run.kind'] !== undefined
      const span = await until(() => telemetry.spans.find(isOfSlot))
      expect(span.attributes['background_workers.run.kind']).toMatch(/^(scheduled|catch-up)$/)
      expect(span.parentSpanContext).toBeUndefined()
      expect(span.links).toEqual([])
      const lateness = (await telemetry.metric('background_workers.run.lateness'))?.histogram(DIGEST)
      expect(lateness?.count).toBeGreaterThanOrEqual(1)
    })

    it('says what ran, when, and how it ended', async () => {
      await start(() => undefined)
      const runId = await manager.trigger('digest', { by: 'ada' })
      const span = await until(() => telemetry.spanOf(runId))
      const record = await until(async () => (await manager.runs('digest')).find(({ outcome }) => outcome))
      expect(withoutPrefix(span.attributes)).toEqual({
        'application.name': 'shop',
        'instance.id': record.instanceId,
        'worker.name': 'digest',
        'run.id': runId,
        'run.kind': 'manual',
        'run.scheduled_for': record.scheduledFor.toISOString(),
        'run.outcome': 'succeeded',
        'run.attempts': 1,
        'run.lateness': 0,
        'run.by': 'ada',
      })
      expect(span.status).toEqual({ code: SpanStatusCode.UNSET })
      expect(msOf(span.startTime)).toBe(record.startedAt?.getTime())
      expect(msOf(span.duration)).toBe(record.durationMs)
      expect(span.events).toEqual([])
      expect(span.instrumentationScope.name).toBe('@background-workers/opentelemetry')
    })

    it('has the error of a run that throws, and of each attempt that is repeated', async () => {
      await start(
        ({ attempt }) => {
          throw Object.assign(new TypeError(`no connection ${attempt}`), { code: 'ECONNREFUSED' })
        },
        { retry: { attempts: 2, backoffMs: 20 } },
      )
      const span = await spanOfRun()
      expect(span.status).toEqual({ code: SpanStatusCode.ERROR, message: 'no connection 2' })
      expect(withoutPrefix(span.attributes)).toMatchObject({
        'error.type': 'ECONNREFUSED',
        'run.outcome': 'failed',
        'run.attempts': 2,
      })
      expect(span.events.map(({ name, attributes }) => [name, { ...attributes }])).toEqual([
        ['exception', expect.objectContaining({ 'exception.message': 'no connection 1' })],
        ['background_workers.run.retrying', expect.objectContaining({ 'background_workers.run.attempt': 1 })],
        ['exception', expect.objectContaining({ 'exception.message': 'no connection 2' })],
      ])
      expect(span.events[0]?.attributes?.['exception.stacktrace']).toContain('TypeError')
    })

    it('takes whatever is thrown', async () => {
      await start(
        () => {
          throw new Proxy(
            {},
            {
              get() {
                throw new Error('do not look')
              },
            },
          )
        },
        { retry: { attempts: 2, backoffMs: 20 } },
      )
      const span = await spanOfRun()
      expect(span.attributes['error.type']).toBe('_OTHER')
      expect(span.events).toHaveLength(3)
    })

    it('ends when the run times out, whatever doWork does then; the run is active until that has settled', async () => {
      const work = Promise.withResolvers<void>()
      await start(() => work.promise, { timeoutMs: 100 })
      const span = await spanOfRun()
      expect(withoutPrefix(span.attributes)).toMatchObject({
        'run.outcome': 'failed',
        'run.reason': 'timeout',
        'error.type': 'run-timeout',
      })
      expect(span.status.code).toBe(SpanStatusCode.ERROR)
      const isActive = async () => (await telemetry.metric('background_workers.run.active'))?.value(DIGEST)
      expect(await isActive()).toBe(1)
      work.resolve()
      await until(async () => (await isActive()) === 0)
    })

    it('is no error when somebody cancels the run', async () => {
      const runId = await startRunUntilAborted()
      await manager.cancel(runId, { by: 'ada' })
      const span = await until(() => telemetry.spanOf(runId))
      expect(withoutPrefix(span.attributes)).toMatchObject({
        'run.outcome': 'aborted',
        'run.reason': 'cancelled',
        'run.by': 'ada',
      })
      expect(span.attributes).not.toHaveProperty('error.type')
      expect(span.status.code).toBe(SpanStatusCode.UNSET)
      expect(span.events).toEqual([])
    })

    it('is no error when the manager stops', async () => {
      const runId = await startRunUntilAborted()
      await during(manager.stop({ timeoutMs: 0 }))
      const span = await until(() => telemetry.spanOf(runId))
      expect(withoutPrefix(span.attributes)).toMatchObject({ 'run.outcome': 'aborted', 'run.reason': 'stop' })
      expect(span.status.code).toBe(SpanStatusCode.UNSET)
    })
  })

  describe('the metrics', () => {
    it('count runs by outcome, and measure how long they take', async () => {
      let failures = 2
      await start(() => {
        if (failures-- > 0) throw new RangeError('too many')
      })
      for (let runs = 0; runs < 3; runs++) {
        await spanOfRun()
        await until(async () => (await manager.get('digest'))?.activeRun === undefined)
      }
      const failed = { ...DIGEST, 'run.outcome': 'failed' }
      const succeeded = { ...DIGEST, 'run.outcome': 'succeeded' }
      const runs = await telemetry.metric('background_workers.runs')
      expect(runs?.value({ ...failed, 'run.kind': 'manual', 'error.type': 'RangeError' })).toBe(2)
      expect(runs?.value({ ...succeeded, 'run.kind': 'manual' })).toBe(1)
      expect(runs?.unit).toBe('{run}')
      const duration = await telemetry.metric('background_workers.run.duration')
      expect(duration?.unit).toBe('s')
      expect(duration?.histogram(failed)?.count).toBe(2)
      expect(duration?.histogram(succeeded)?.count).toBe(1)
      // What is triggered has no slot to be late for.
      expect((await telemetry.metric('background_workers.run.lateness'))?.points ?? []).toEqual([])
    })

    it('tell how the workers stand', async () => {
      let mayFail = true
      const work = Promise.withResolvers<void>()
      await start(() => {
        if (mayFail) throw new Error('broken')
        return work.promise
      })
      const value = async (name: string, attributes = {}) =>
        (await telemetry.metric(`background_workers.${name}`))?.value({ ...DIGEST, ...attributes })
      expect(await value('workers', { 'worker.state': 'idle' })).toBe(1)
      expect(await value('workers', { 'worker.state': 'overdue' })).toBe(0)
      expect(await value('worker.consecutive_failures')).toBe(0)

      await spanOfRun()
      await until(async () => (await value('worker.consecutive_failures')) === 1)

      mayFail = false
      await until(async () => (await manager.get('digest'))?.activeRun === undefined)
      await manager.trigger('digest')
      await until(async () => (await value('run.active')) === 1)
      expect(await value('workers', { 'worker.state': 'running' })).toBe(1)
      expect(await value('workers', { 'worker.state': 'idle' })).toBe(0)

      work.resolve()
      await until(async () => (await value('run.active')) === 0)
      expect(await value('worker.consecutive_failures')).toBe(0)
      const { lastSuccess } = await until(() => manager.get('digest'))
      expect(lastSuccess?.finishedAt).toBeInstanceOf(Date)

      await manager.remove('digest')
      await until(async () => (await value('workers', { 'worker.state': 'idle' })) === 0)
      expect(await value('worker.time_since_last_success')).toBe(0)
    })
  })

  it('has a series for each thing that the health can find wrong, until that is over', async () => {
    await start(() => undefined)
    const series = async () => {
      const metric = await telemetry.metric('background_workers.health.reasons')
      return HEALTH_CODES.map((code) => metric?.value({ 'application.name': 'shop', 'health.code': code }))
    }
    const reasons = HEALTH_CODES.map((code) => ({ code, message: `What ${code} means.` }))
    const health = vi.spyOn(manager, 'health').mockResolvedValue(healthReport('running', reasons))
    expect(await series()).toEqual(HEALTH_CODES.map(() => 1))
    health.mockResolvedValue(healthReport('running', []))
    expect(await series()).toEqual(HEALTH_CODES.map(() => 0))
  })

  it('tells two managers apart that have workers of the same name', async () => {
    const other = createManager()
    using otherInstrumentation = instrumentBackgroundWorkers(other, {
      ...telemetry.providers,
      applicationName: 'office',
    })
    try {
      await start(() => undefined)
      await other.add(
        periodicWorker({
          name: 'digest',
          schedule: cron('0 0 29 2 *'),
          doWork: () => Promise.reject(new Error('broken')),
        }),
      )
      await other.start()
      const [ours, theirs] = [await manager.trigger('digest'), await other.trigger('digest')]
      const spans = [await until(() => telemetry.spanOf(ours)), await until(() => telemetry.spanOf(theirs))]
      expect(spans.map(({ attributes }) => attributes['background_workers.application.name'])).toEqual([
        'shop',
        'office',
      ])
      // Nor has one begun a span of the other's run, which would end now.
      instrumentation.dispose()
      otherInstrumentation.dispose()
      expect(telemetry.spans).toHaveLength(2)
      const instances = spans.map(({ attributes }) => attributes['background_workers.instance.id'])
      expect(new Set(instances).size).toBe(2)
      const runs = await telemetry.metric('background_workers.runs')
      // In the order in which they ended.
      const outcomes = runs?.points.map(({ attributes, value }) => [withoutPrefix(attributes)['run.outcome'], value])
      expect(outcomes?.sort()).toEqual([
        ['failed', 1],
        ['succeeded', 1],
      ])
    } finally {
      await during(other.stop())
    }
  })

  it('observes nothing after it was disposed', async () => {
    await start(() => undefined)
    await spanOfRun()
    const runCounts = async () => (await telemetry.metric('background_workers.runs'))?.points.map(({ value }) => value)
    expect(await runCounts()).toEqual([1])
    instrumentation.dispose()
    instrumentation.dispose()
    let lists = 0
    const list = manager.list.bind(manager)
    manager.list = () => {
      lists++
      return list()
    }
    await until(async () => (await manager.get('digest'))?.activeRun === undefined)
    const runId = await manager.trigger('digest')
    await until(async () => (await manager.runs('digest')).find((run) => run.runId === runId && run.outcome))
    expect(await runCounts()).toEqual([1])
    expect(lists).toBe(0)
    expect(telemetry.spans).toHaveLength(1)
  })
}

/** What the metrics of the suite's worker have in common. */
export const DIGEST = { 'application.name': 'shop', 'worker.name': 'digest' }

/** A time or duration of a span in whole ms. */
export function msOf([seconds, nanos]: readonly [number, number]): number {
  return Math.round(seconds * 1_000 + nanos / 1e6)
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error))
  })
}
