import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { instrumentBackgroundWorkers } from '@background-workers/opentelemetry'
import { trace } from '@opentelemetry/api'
import { startTelemetry } from './telemetry.ts'
import { brokenSync, digestSender, priceImporter, reportBuilder } from './workers.ts'

const telemetry = await startTelemetry(Number(process.env.PORT ?? 0))
trace.setGlobalTracerProvider(telemetry.tracerProvider)

const manager = new DefaultBackgroundWorkerManager()
// The one line that is needed.
const instrumentation = instrumentBackgroundWorkers(manager, { meterProvider: telemetry.meterProvider })

const workers = [digestSender, priceImporter, reportBuilder, brokenSync]
for (const worker of workers) await manager.add(worker)
const { promise: enoughWasSeen, resolve: stop } = Promise.withResolvers<void>()
process.on('SIGINT', stop).on('SIGTERM', stop)
if (!process.stdout.isTTY) stopWhenAllIsSeen(stop)

console.log(`metrics for Prometheus: ${telemetry.metricsUrl}${process.stdout.isTTY ? '  (Ctrl+C stops)' : ''}\n`)
await manager.start()
await triggerInSpan()
await enoughWasSeen

console.log(`\n${await scrape()}\n`)
await manager.stop()
instrumentation.dispose()
await telemetry.close()
console.log(`closed, and the manager is ${manager.state}`)

/** As a request of an HTTP server would: the run is a trace of its own, with a link to this span. */
async function triggerInSpan(): Promise<void> {
  await trace.getTracer('example-telemetry').startActiveSpan('POST /digest', async (span) => {
    await manager.trigger('digest-sender', { by: 'ada' }).finally(() => span.end())
  })
}

/** What Prometheus gets, without buckets and comments. */
async function scrape(): Promise<string> {
  const text = await (await fetch(telemetry.metricsUrl)).text()
  return text
    .split('\n')
    .filter((line) => line.startsWith('background_workers_') && !line.includes('_bucket{'))
    .join('\n')
}

function stopWhenAllIsSeen(done: () => void): void {
  const wanted = new Set([...workers.map(({ name }) => `${name} scheduled`), `${reportBuilder.name} skipped`])
  const note = (what: string) => {
    wanted.delete(what)
    if (wanted.size === 0) done()
  }
  manager.on('run-finished', ({ worker, kind }) => note(`${worker} ${kind}`))
  manager.on('run-skipped', ({ worker, outcome }) => note(`${worker} ${outcome}`))
}
