import { expect, it } from 'vitest'
import { type InstrumentationOptions, fillOptions } from './options.ts'

it('takes undefined for an option that is not given', () => {
  const none = {
    applicationName: undefined,
    tracerProvider: undefined,
    meterProvider: undefined,
    clock: undefined,
  } satisfies Record<keyof InstrumentationOptions, undefined>
  expect(fillOptions(none)).toEqual(fillOptions({}))
})
