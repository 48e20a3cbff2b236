import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { TracePrinter } from './trace-printer.ts'

/** OpenTelemetry as an application sets it up. Yours may come from `@opentelemetry/sdk-node` and send to a collector. */
export async function startTelemetry(port: number) {
  // By this a span is the active one in `doWork`, and the spans that are started there become its children.
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const tracerProvider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter: new TracePrinter() })],
  })

  // Its own server can not take whichever port is free.
  const prometheus = new PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
  })
  const meterProvider = new MeterProvider({ readers: [prometheus] })
  const server = createServer((request, response) => {
    if (request.url === '/metrics') prometheus.getMetricsRequestHandler(request, response)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))

  return {
    tracerProvider,
    meterProvider,
    metricsUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`,
    async close() {
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
      await tracerProvider.shutdown()
      await meterProvider.shutdown()
    },
  }
}
