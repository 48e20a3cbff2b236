import { BackgroundWorkerError } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { DefaultBackgroundWorkerManager } from '../src/default-background-worker-manager.ts'
import { SLUG, thrower } from './fixtures/bad-call.ts'

describe('a manager with bad options', () => {
  it.each<[title: string, options: unknown, message: string | RegExp]>([
    ['null', null, 'DefaultBackgroundWorkerManager: expected an options object, got null.'],
    ['a text', 'app', 'DefaultBackgroundWorkerManager: expected an options object, got "app".'],
    [
      'an unknown key',
      { stopTimeout: 5 },
      /^DefaultBackgroundWorkerManager: unknown option "stopTimeout"\. Known are: isEnabled, applicationName/,
    ],
    [
      'an own key __proto__',
      JSON.parse('{"__proto__":{"isEnabled":false}}'),
      /^DefaultBackgroundWorkerManager: unknown option "__proto__"/,
    ],
    [
      'a text for isEnabled',
      { isEnabled: 'false' },
      'DefaultBackgroundWorkerManager: "isEnabled" must be true or false, got "false".',
    ],
    [
      'capitals and a space',
      { applicationName: 'My App' },
      `DefaultBackgroundWorkerManager: "applicationName" ${SLUG}; got "My App".`,
    ],
    [
      'an empty logger',
      { logger: {} },
      'DefaultBackgroundWorkerManager: "logger" must have the method debug(), info(), warn(), error().',
    ],
    [
      'a logger of null',
      { logger: null },
      'DefaultBackgroundWorkerManager: "logger" must have the method debug(), info(), warn(), error().',
    ],
    [
      'a function for scopeFactory',
      { scopeFactory: () => {} },
      'DefaultBackgroundWorkerManager: "scopeFactory" must have the method createScope().',
    ],
    [
      'no time to start',
      { startTimeoutMs: 0 },
      'DefaultBackgroundWorkerManager: "startTimeoutMs" must be a whole number of ms from 1 to 315360000000, got 0.',
    ],
    [
      'a negative time to stop',
      { stopTimeoutMs: -1 },
      'DefaultBackgroundWorkerManager: "stopTimeoutMs" must be a whole number of ms from 0 to 315360000000, got -1.',
    ],
    [
      'an unknown key in defaultPolicy',
      { defaultPolicy: { jitter: 5 } },
      /^defaultPolicy: unknown option "jitter"\. Known are: runOnStart/,
    ],
    [
      'a clock that only tells the time',
      { clock: { now: Date.now } },
      'DefaultBackgroundWorkerManager: "clock" must have the method monotonicNow(), setTimer(), clearTimer().',
    ],
    [
      'an empty distributedLock',
      { distributedLock: {} },
      'DefaultBackgroundWorkerManager: "distributedLock" must have the method acquire().',
    ],
    ['a key that throws', thrower('logger'), 'DefaultBackgroundWorkerManager: "logger" throws when it is read.'],
  ])('is not made: %s', (_title, options, message) => {
    const create = () => new DefaultBackgroundWorkerManager(options as never)
    expect(create).toThrow(BackgroundWorkerError)
    expect(create).toThrow(message)
  })
})
