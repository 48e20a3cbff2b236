import { setTimeout as delay } from 'node:timers/promises'
import { cron, periodicWorker } from '@background-workers/abstractions'
import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { freshApplicationName, removeApplication } from 'test-redis'
import { describe, expect, inject, it } from 'vitest'
import { instrumentBackgroundWorkers } from '../src/index.ts'
import { DIGEST, instrumentationSuite } from './instrumentation-suite.ts'
import { Telemetry } from './telemetry.ts'

const connection = inject('redisUrl')
const applications: string[] = []

function createManager(applicationName = freshApplicationName(), isEnabled = true) {
  applications.push(applicationName)
  return new BullMqBackgroundWorkerManager({ connection, applicationName, isEnabled })
}

async function cleanUp() {
  for (const name of applications.splice(0)) await removeApplication(connection, name)
}

describe('on the BullMQ manager', () => {
  instrumentationSuite({ createManager: () => createManager(), advance: (ms) => delay(ms), cleanUp })
})

describe('with a web process that only controls', () => {
  it('links a run to the span that triggered it there, and counts it as active where it runs', async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    const [onHost, onWeb] = [new Telemetry(), new Telemetry()]
    const applicationName = freshApplicationName()
    const [host, web] = [createManager(applicationName), createManager(applicationName, false)]
    using _host = instrumentBackgroundWorkers(host, { ...onHost.providers, applicationName: 'shop' })
    using _web = instrumentBackgroundWorkers(web, { ...onWeb.providers, applicationName: 'shop' })
    const work = Promise.withResolvers<void>()
    try {
      await host.add(periodicWorker({ name: 'digest', schedule: cron('0 0 29 2 *'), doWork: () => work.promise }))
      await host.start()
      await web.start()
      const request = onWeb.tracerProvider.getTracer('test').startSpan('POST /triggers')
      const runId = await context.with(trace.setSpan(context.active(), request), () => web.trigger('digest'))

      const active = async (telemetry: Telemetry) =>
        (await telemetry.metric('background_workers.run.active'))?.value(DIGEST)
      await expect.poll(() => active(onHost)).toBe(1)
      expect(await active(onWeb)).toBe(0)
      const states = await onWeb.metric('background_workers.workers')
      expect(states?.value({ ...DIGEST, 'worker.state': 'running' })).toBe(1)

      work.resolve()
      await expect.poll(() => onHost.spanOf(runId)).toBeDefined()
      const links = onHost.spanOf(runId)?.links.map((link) => link.context.spanId)
      expect(links).toEqual([request.spanContext().spanId])
      expect(onWeb.spans).toEqual([])
    } finally {
      work.resolve()
      await web.stop()
      await host.stop()
      await cleanUp()
      await onHost.shutdown()
      await onWeb.shutdown()
      context.disable()
    }
  })
})
