import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'

/** Prints each trace when its root has ended: what ran, how long it took, and how it ended. */
export class TracePrinter implements SpanExporter {
  readonly #children = new Map<string, ReadableSpan[]>()

  export(spans: ReadableSpan[], done: Parameters<SpanExporter['export']>[1]): void {
    for (const span of spans) this.#take(span)
    done({ code: 0 })
  }

  async shutdown(): Promise<void> {
    this.#children.clear()
  }

  #take(span: ReadableSpan): void {
    const { traceId } = span.spanContext()
    const children = this.#children.get(traceId) ?? []
    if (span.parentSpanContext) {
      this.#children.set(traceId, [...children, span])
      return
    }
    this.#children.delete(traceId)
    console.log(describeRoot(span))
    for (const { attributes } of span.events.filter(({ name }) => name === 'exception')) {
      console.log(`    ! ${String(attributes?.['exception.type'])}: ${String(attributes?.['exception.message'])}`)
    }
    for (const child of children) console.log(`    ${child.name.padEnd(26)}${msOf(child)} ms`)
  }
}

function describeRoot(span: ReadableSpan): string {
  const { attributes, links } = span
  const words = [
    span.spanContext().spanId,
    span.name.padEnd(20),
    `${msOf(span)} ms`.padEnd(8),
    attributes['background_workers.run.kind'] ?? '',
    attributes['background_workers.run.outcome'] ?? '',
    ...links.map(({ context }) => `linked to ${context.spanId}`),
  ]
  return words.map(String).join(' ').trimEnd()
}

function msOf({ duration: [seconds, nanos] }: ReadableSpan): number {
  return Math.round(seconds * 1_000 + nanos / 1e6)
}
