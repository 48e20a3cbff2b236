import { type SpanContext, TraceFlags, context, isSpanContextValid, trace } from '@opentelemetry/api'

/** The span that is active here, as a text to hand over to another process; a W3C `traceparent`. */
export function activeSpanAsCause(): string | undefined {
  const active = trace.getSpanContext(context.active())
  if (!active || !isSpanContextValid(active)) return undefined
  const flags = (active.traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, '0')
  return `00-${active.traceId}-${active.spanId}-${flags}`
}

/** The span that such a text is of; `undefined` for any other text. */
export function spanOfCause(cause: string | undefined): SpanContext | undefined {
  const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(cause ?? '') ?? []
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true }
  return isSpanContextValid(spanContext) ? spanContext : undefined
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/
