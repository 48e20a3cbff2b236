import { expect, it } from 'vitest'
import { type DefaultManagerOptions, fillOptions } from './options.ts'

it('takes undefined for an option that is not given', () => {
  const none = {
    isEnabled: undefined,
    applicationName: undefined,
    logger: undefined,
    scopeFactory: undefined,
    startTimeoutMs: undefined,
    stopTimeoutMs: undefined,
    defaultPolicy: undefined,
    clock: undefined,
    distributedLock: undefined,
  } satisfies Record<keyof DefaultManagerOptions, undefined>
  expect(fillOptions(none)).toEqual(fillOptions({}))
})
