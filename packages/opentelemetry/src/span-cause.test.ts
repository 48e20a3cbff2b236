import { ROOT_CONTEXT, context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { activeSpanAsCause, spanOfCause } from './span-cause.ts'

const span = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 }
const causeOf = (spanContext: typeof span) =>
  context.with(trace.setSpanContext(ROOT_CONTEXT, spanContext), activeSpanAsCause)

beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()))
afterAll(() => context.disable())

describe('a span as a cause', () => {
  it('is a traceparent, and is read back', () => {
    expect(causeOf(span)).toBe('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')
    expect(spanOfCause(causeOf(span))).toEqual({ ...span, isRemote: true })
    expect(spanOfCause(causeOf({ ...span, traceFlags: 0 }))).toEqual({ ...span, traceFlags: 0, isRemote: true })
  })

  it('is nothing without a span, or with an invalid one', () => {
    expect(activeSpanAsCause()).toBeUndefined()
    expect(causeOf({ ...span, traceId: '0'.repeat(32) })).toBeUndefined()
  })

  it.each([
    undefined,
    '',
    'somebody',
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-zz',
    '01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  ])('can not be read from %j', (cause) => {
    expect(spanOfCause(cause)).toBeUndefined()
  })
})
