import { channel, tracingChannel } from 'node:diagnostics_channel'
import {
  type IBackgroundWorkerManager,
  type PeriodicBackgroundWorkerContext,
  RUN_CHANNEL_NAME,
  TRIGGER_CHANNEL_NAME,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { ManualClock } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { type DiagLogger, SpanStatusCode, context, diag, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type BackgroundWorkersInstrumentation, instrumentBackgroundWorkers } from '../src/index.ts'
import { DIGEST, instrumentationSuite, msOf } from './instrumentation-suite.ts'
import { Telemetry, withoutPrefix } from './telemetry.ts'

let clock = new ManualClock()

describe('on the default manager', () => {
  instrumentationSuite({
    createManager: () => new DefaultBackgroundWorkerManager({ clock }),
    advance: (ms) => clock.advance(ms),
    cleanUp: async () => undefined,
  })
})

describe('with a manual clock', () => {
  let telemetry: Telemetry
  let manager: DefaultBackgroundWorkerManager
  let instrumentation: BackgroundWorkersInstrumentation

  beforeEach(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    clock = new ManualClock()
    telemetry = new Telemetry()
    manager = new DefaultBackgroundWorkerManager({ clock })
    instrumentation = instrument(manager)
  })
  afterEach(async () => {
    let isStopped = false
    void manager.stop({ timeoutMs: 0 }).then(() => {
      isStopped = true
    })
    while (!isStopped) await clock.advance(100)
    instrumentation.dispose()
    await telemetry.shutdown()
    context.disable()
    diag.disable()
  })

  const instrument = (instrumented: IBackgroundWorkerManager) =>
    instrumentBackgroundWorkers(instrumented, { ...telemetry.providers, applicationName: 'shop', clock })
  const metric = (name: string) => telemetry.metric(`background_workers.${name}`)
  const add = (doWork: (work: PeriodicBackgroundWorkerContext) => unknown, policy = {}) =>
    manager.add(
      periodicWorker({
        name: 'digest',
        schedule: every('1m', { offset: 0 }),
        policy,
        doWork: async (work) => void (await doWork(work)),
      }),
    )
  const timeSinceSuccess = async () => (await metric('worker.time_since_last_success'))?.value(DIGEST)
  /** Work that takes so long by the manual clock. */
  const working = (ms: number) => new Promise<void>((resolve) => void clock.setTimer(resolve, ms))

  it('gives a run of a slot the times of its record, and no parent though its timer was set in a span', async () => {
    await add(() => working(1_500), { jitterMs: 10_000 })
    await trace.getTracer('test').startActiveSpan('boot', () => manager.start())
    await clock.advance(75_000)
    const [span] = telemetry.spans
    const [record] = await manager.runs('digest')
    expect(span?.parentSpanContext).toBeUndefined()
    expect(span?.links).toEqual([])
    expect(msOf(span?.startTime as [number, number])).toBe(record?.startedAt?.getTime())
    expect(msOf(span?.duration as [number, number])).toBe(1_500)
    expect(withoutPrefix(span?.attributes ?? {})).toMatchObject({
      'run.kind': 'scheduled',
      'run.scheduled_for': '2026-01-01T00:01:00.000Z',
    })
  })

  it('starts the run of a slot in a trace of its own, whatever set the timer', async () => {
    const { tracerProvider } = telemetry
    await add(() => undefined)
    await manager.start()
    await manager.pause('digest')
    const request = tracerProvider.getTracer('test').startSpan('POST /resume')
    await context.with(trace.setSpan(context.active(), request), () => manager.resume('digest'))
    await clock.advance(60_000)
    expect(telemetry.spans).toHaveLength(1)
    expect(telemetry.spans[0]?.spanContext().traceId).not.toBe(request.spanContext().traceId)
    expect(telemetry.spans[0]?.links).toEqual([])
  })

  it('measures duration and lateness in seconds', async () => {
    await add(() => working(4_000))
    await manager.start()
    await clock.advance(64_000)
    // It sleeps from 00:01:04 to 00:02:07: a run is late.
    clock.sleep(63_000)
    await clock.advance(70_000)
    const duration = (await metric('run.duration'))?.histogram({ ...DIGEST, 'run.outcome': 'succeeded' })
    const lateness = (await metric('run.lateness'))?.histogram(DIGEST)
    const records = (await manager.runs('digest')).filter(({ outcome }) => outcome)
    const sumOf = (values: (number | undefined)[]) => values.reduce<number>((sum, value) => sum + (value ?? 0), 0)
    expect(records.map(({ kind }) => kind)).toContain('catch-up')
    expect(duration?.count).toBe(records.length)
    expect(duration?.sum).toBeCloseTo(sumOf(records.map(({ durationMs }) => durationMs)) / 1_000)
    expect(duration?.buckets.boundaries).toContain(5)
    expect(lateness?.sum).toBeCloseTo(sumOf((await manager.runs('digest')).map(({ lateByMs }) => lateByMs)) / 1_000)
    expect(lateness?.max).toBeGreaterThan(1)
    expect((await metric('run.lateness'))?.unit).toBe('s')
  })

  it('counts slots that do not run by their reason', async () => {
    await add(() => working(90_000), { catchUpWindowMs: 5_000 })
    await manager.start()
    await clock.advance(120_000)
    const skipped = { ...DIGEST, 'run.outcome': 'skipped', 'run.reason': 'overlap' }
    expect((await metric('non_runs'))?.value(skipped)).toBe(1)
    await clock.advance(40_000)
    clock.sleep(3_600_000 - 10_000)
    await clock.advance(60_000)
    const missed = { ...DIGEST, 'run.outcome': 'missed', 'run.reason': 'late' }
    expect((await metric('non_runs'))?.value(missed)).toBe(1)
    expect((await metric('non_runs'))?.unit).toBe('{slot}')
  })

  it('tells the time since the last success, and before the first since the worker was seen', async () => {
    let mayFail = true
    await add(() => {
      if (mayFail) throw new Error('broken')
    })
    expect(await timeSinceSuccess()).toBe(0)
    await manager.start()
    await clock.advance(90_000)
    expect(await timeSinceSuccess()).toBe(90)
    mayFail = false
    await clock.advance(30_000)
    expect(await timeSinceSuccess()).toBe(0)
    await clock.advance(20_000)
    expect(await timeSinceSuccess()).toBe(20)
    await manager.remove('digest')
    expect(await timeSinceSuccess()).toBe(0)
  })

  it('counts anew for a worker that was gone and is added again', async () => {
    await add(() => undefined)
    expect(await timeSinceSuccess()).toBe(0)
    await manager.remove('digest')
    await clock.advance(3_600_000)
    expect(await timeSinceSuccess()).toBe(0)
    await add(() => undefined)
    expect(await timeSinceSuccess()).toBe(0)
    await clock.advance(20_000)
    expect(await timeSinceSuccess()).toBe(20)
  })

  it('has the gauges of a periodic worker while the name is that of one, whatever it was before', async () => {
    const plain = { name: 'digest', start: async () => undefined, stop: async () => undefined }
    await manager.add(plain)
    expect(await timeSinceSuccess()).toBeUndefined()
    await clock.advance(3_600_000)
    await manager.remove('digest')
    await add(() => undefined)
    expect(await timeSinceSuccess()).toBe(0)
    await clock.advance(20_000)
    expect(await timeSinceSuccess()).toBe(20)
    await manager.remove('digest')
    await manager.add(plain)
    expect(await timeSinceSuccess()).toBe(0)
  })

  it('tells which workers are overdue', async () => {
    await add(() => undefined)
    await manager.start()
    const overdue = async () => (await metric('workers'))?.value({ ...DIGEST, 'worker.state': 'overdue' })
    expect(await overdue()).toBe(0)
    // The timer does not ring, as when the event loop is blocked.
    clock.sleep(90_000)
    expect(await overdue()).toBe(1)
  })

  it('counts the health reasons by their code, also while the workers can not be listed', async () => {
    const reasons = async (code: string) =>
      (await metric('health.reasons'))?.value({ 'application.name': 'shop', 'health.code': code })
    await manager.add(
      periodicWorker({ name: 'other', schedule: every('1h'), doWork: () => Promise.reject(new Error('broken')) }),
    )
    await add(() => Promise.reject(new Error('broken')))
    await manager.start()
    expect([await reasons('no-progress'), await reasons('failing')]).toEqual([0, undefined])
    for (let run = 1; run <= 3; run++) {
      for (const name of ['digest', 'other']) await manager.trigger(name)
      await clock.advance(0)
    }
    vi.spyOn(manager, 'list').mockRejectedValue(new Error('no Redis'))
    expect(await reasons('failing')).toBe(2)
    await manager.remove('digest')
    expect(await reasons('failing')).toBe(1)
    await manager.remove('other')
    expect(await reasons('failing')).toBe(0)
  })

  it('lists the workers once per collection, and asks once for the health', async () => {
    await add(() => undefined)
    const health = vi.spyOn(manager, 'health')
    const list = vi.spyOn(manager, 'list')
    const metrics = await telemetry.collect()
    expect(metrics.map(({ name }) => name).filter((name) => !/runs|duration|lateness/.test(name))).toHaveLength(5)
    expect(list).toHaveBeenCalledTimes(1)
    expect(health).toHaveBeenCalledTimes(1)
  })

  it('observes nothing while the store is away, and says so', async () => {
    await add(() => undefined)
    const errors: unknown[][] = []
    diag.setLogger({ error: (...args: unknown[]) => errors.push(args) } as unknown as DiagLogger)
    const list = vi.spyOn(manager, 'list').mockRejectedValueOnce(new Error('no Redis'))
    expect((await metric('workers'))?.points ?? []).toEqual([])
    expect(errors).toEqual([['background workers could not be observed', new Error('no Redis')]])
    expect((await metric('workers'))?.points).toHaveLength(2)
    expect(list).toHaveBeenCalledTimes(2)
  })

  it('has no subscriber left when it is disposed, so that nothing is made for a run', async () => {
    const [runs, triggers] = [tracingChannel(RUN_CHANNEL_NAME), channel(TRIGGER_CHANNEL_NAME)]
    expect([runs.hasSubscribers, triggers.hasSubscribers]).toEqual([true, true])
    instrumentation.dispose()
    expect([runs.hasSubscribers, triggers.hasSubscribers]).toEqual([false, false])
    // May be instrumented again.
    instrumentation = instrument(manager)
    expect(runs.hasSubscribers).toBe(true)
  })

  it('disposes itself once, and never what instruments its manager since', () => {
    const first = instrumentation
    first.dispose()
    instrumentation = instrument(manager)
    first.dispose()
    expect(() => instrument(manager)).toThrow(/instrumented already/)
  })

  it('ends the span of an active run when it is disposed, without an outcome', async () => {
    await add(() => working(5_000))
    await manager.start()
    const runId = await manager.trigger('digest')
    instrumentation.dispose()
    expect(telemetry.spans).toHaveLength(1)
    expect(telemetry.spanOf(runId)?.attributes).not.toHaveProperty('background_workers.run.outcome')
    await clock.advance(5_000)
    expect(telemetry.spans).toHaveLength(1)
  })

  it('gives a run that was lost a span, from its start until that was noticed', async () => {
    const listeners = new Map<string, (payload: unknown) => void>()
    vi.spyOn(manager, 'on').mockImplementation((event, listener) => {
      const before = listeners.get(event)
      listeners.set(event, (payload) => {
        before?.(payload)
        listener(payload as never)
      })
      return () => undefined
    })
    instrumentation.dispose()
    instrumentation = instrument(manager)
    listeners.get('run-finished')?.({
      runId: 'digest.1',
      worker: 'digest',
      kind: 'scheduled',
      scheduledFor: new Date(1),
      startedAt: new Date(2),
      finishedAt: new Date(30_002),
      attempts: 1,
      instanceId: 'the dead',
      outcome: 'lost',
      reason: 'crash',
    })
    const span = telemetry.spanOf('digest.1')
    expect(withoutPrefix(span?.attributes ?? {})).toMatchObject({ 'run.outcome': 'lost', 'instance.id': 'the dead' })
    expect(msOf(span?.duration as [number, number])).toBe(30_000)
    // Nobody knows what its process died of.
    expect([span?.status, span?.events]).toEqual([{ code: SpanStatusCode.ERROR }, []])
    expect((await metric('runs'))?.points[0]?.attributes).toMatchObject({
      'error.type': '_OTHER',
      'background_workers.run.reason': 'crash',
    })
  })

  it('lets runs be, whatever fails in OpenTelemetry', async () => {
    instrumentation.dispose()
    const errors: unknown[] = []
    diag.setLogger({ error: (...args: unknown[]) => errors.push(args) } as unknown as DiagLogger)
    const fail = () => {
      throw new Error('broken SDK')
    }
    instrumentation = instrumentBackgroundWorkers(manager, {
      meterProvider: telemetry.meterProvider,
      tracerProvider: { getTracer: () => ({ startSpan: fail, startActiveSpan: fail }) },
    })
    let runs = 0
    await add(() => runs++)
    await manager.start()
    await manager.trigger('digest')
    await clock.advance(0)
    expect(runs).toBe(1)
    expect((await manager.runs('digest'))[0]?.outcome).toBe('succeeded')
    expect(errors).toEqual([['background workers could not be observed', new Error('broken SDK')]])
  })

  it('uses the global providers when it is given none', async () => {
    instrumentation.dispose()
    trace.setGlobalTracerProvider(telemetry.tracerProvider)
    try {
      instrumentation = instrumentBackgroundWorkers(manager)
      await add(() => undefined)
      await manager.start()
      const runId = await manager.trigger('digest')
      await clock.advance(0)
      expect(telemetry.spanOf(runId)?.attributes).toMatchObject({ 'background_workers.worker.name': 'digest' })
      expect(telemetry.spanOf(runId)?.attributes).not.toHaveProperty('background_workers.application.name')
    } finally {
      trace.disable()
    }
  })

  it('refuses what is no manager, a manager that is instrumented, and unknown options', () => {
    expect(() => instrumentBackgroundWorkers({} as IBackgroundWorkerManager)).toThrow(
      /the manager must have the method/,
    )
    expect(() => instrument(manager)).toThrow(/instrumented already/)
    const another = new DefaultBackgroundWorkerManager({ clock })
    expect(() => instrumentBackgroundWorkers(another, { tracer: 1 } as object)).toThrow(/unknown option "tracer"/)
    expect(() => instrumentBackgroundWorkers(another, { meterProvider: {} as never })).toThrow(/"meterProvider" must/)
  })
})
