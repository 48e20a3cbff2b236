import { describe, expect, it } from 'vitest'
import { type HealthEndpointOptions, type RunApplicationOptions, fillRunOptions } from './run-options.ts'

describe('fillRunOptions', () => {
  it('takes undefined for an option that is not given', () => {
    const none = { startRetry: undefined, health: undefined, exitGraceMs: undefined } satisfies Record<
      keyof RunApplicationOptions,
      undefined
    >
    expect(fillRunOptions(none)).toEqual(fillRunOptions({}))
    const health: HealthEndpointOptions = { port: 0, host: undefined, pathPrefix: undefined }
    expect(fillRunOptions({ health }).health).toEqual({ port: 0, host: '127.0.0.1', pathPrefix: '' })
  })
})
