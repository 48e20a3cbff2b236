import type { Attributes } from '@opentelemetry/api'
import { type DataPoint, type Histogram, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'

// The SDK imports all of `node:process`, which opens stdin. The leak check would count that.
process.stdin.destroy()

/** The real SDK, whose spans and metrics stay in memory. */
export class Telemetry {
  readonly #exporter = new InMemorySpanExporter()
  readonly #reader = new CollectingReader()
  readonly tracerProvider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter: this.#exporter })],
  })
  readonly meterProvider = new MeterProvider({ readers: [this.#reader] })
  /** As options. */
  readonly providers = { tracerProvider: this.tracerProvider, meterProvider: this.meterProvider }

  /** The spans that have ended. */
  get spans(): ReadableSpan[] {
    return this.#exporter.getFinishedSpans()
  }

  spanOf(runId: string): ReadableSpan | undefined {
    return this.spans.find(({ attributes }) => attributes['background_workers.run.id'] === runId)
  }

  /** Collects, and gives what one metric says. */
  async metric(name: string): Promise<Metric | undefined> {
    const metrics = await this.collect()
    return metrics.find((metric) => metric.name === name)
  }

  async collect(): Promise<Metric[]> {
    const { resourceMetrics, errors } = await this.#reader.collect()
    if (errors.length > 0) throw new AggregateError(errors)
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) =>
      metrics.map(
        ({ descriptor, dataPoints }) =>
          new Metric(descriptor.name, descriptor.unit, dataPoints as DataPoint<number | Histogram>[]),
      ),
    )
  }

  async shutdown(): Promise<void> {
    await this.tracerProvider.shutdown()
    await this.meterProvider.shutdown()
  }
}

/** A metric as it was collected. */
export class Metric {
  readonly name: string
  readonly unit: string
  readonly points: readonly DataPoint<number | Histogram>[]

  constructor(name: string, unit: string, points: readonly DataPoint<number | Histogram>[]) {
    this.name = name
    this.unit = unit
    this.points = points
  }

  /** The value with exactly these attributes; those of `background_workers.` are named without it. */
  value(attributes: Attributes): number | undefined {
    const value = this.#valueOf(attributes)
    return typeof value === 'number' ? value : undefined
  }

  /** The histogram with exactly these attributes. */
  histogram(attributes: Attributes): Histogram | undefined {
    const value = this.#valueOf(attributes)
    return typeof value === 'object' ? value : undefined
  }

  #valueOf(attributes: Attributes): number | Histogram | undefined {
    const wanted = keyOf(attributes)
    return this.points.find((point) => keyOf(withoutPrefix(point.attributes)) === wanted)?.value
  }
}

/** Those of `background_workers.` without it. */
export function withoutPrefix(attributes: Attributes): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name.replace(/^background_workers\./, ''), value]),
  )
}

function keyOf(attributes: Attributes): string {
  return JSON.stringify(Object.entries(attributes).sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** Collects when it is told to. */
export class CollectingReader extends MetricReader {
  protected async onShutdown(): Promise<void> {}
  protected async onForceFlush(): Promise<void> {}
}
