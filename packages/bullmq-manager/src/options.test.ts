import { BackgroundWorkerError } from '@background-workers/abstractions'
import { Cluster, Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { type BullMqManagerOptions, BullMqBackgroundWorkerManager } from './index.ts'
import { fillOptions } from './options.ts'

/** Never connected. */
function client(options: object): Redis {
  return new Redis({ lazyConnect: true, maxRetriesPerRequest: null, ...options })
}

/** Never connected. */
function cluster(options: object): Cluster {
  const redisOptions = { maxRetriesPerRequest: null }
  return new Cluster([{ host: '127.0.0.1' }], { lazyConnect: true, redisOptions, ...options })
}

function refusalOf(options: object): BackgroundWorkerError | undefined {
  try {
    new BullMqBackgroundWorkerManager(options as never)
    return undefined
  } catch (error) {
    if (BackgroundWorkerError.is(error)) return error
    throw error
  }
}

const connection = 'redis://127.0.0.1:6379'

describe('BullMqBackgroundWorkerManager', () => {
  it('takes undefined for an option that is not given', () => {
    const none = {
      isEnabled: undefined,
      applicationName: undefined,
      logger: undefined,
      scopeFactory: undefined,
      startTimeoutMs: undefined,
      stopTimeoutMs: undefined,
      defaultPolicy: undefined,
      release: undefined,
      queues: undefined,
      concurrency: undefined,
      orphanGraceMs: undefined,
      commandTimeoutMs: undefined,
    } satisfies Record<Exclude<keyof BullMqManagerOptions, 'connection'>, undefined>
    expect(fillOptions({ connection, ...none })).toEqual(fillOptions({ connection }))
  })

  it.each<[string, object, RegExp]>([
    [
      'no connection',
      {},
      /"connection" must be a redis:\/\/ URL, ioredis options or an ioredis client, got undefined\./,
    ],
    ['a connection that is no URL', { connection: '127.0.0.1:6379' }, /"connection" must be a redis:\/\/ URL/],
    ['a connection that is a number', { connection: 6379 }, /"connection" must be a redis:\/\/ URL/],
    ['a connection that is a list', { connection: [] }, /"connection" must be a redis:.* client, got an array\./],
    [
      'a URL that is no text',
      { connection: new URL(connection) },
      /"connection" must be a redis:.* got a URL object\. Pass its href\./,
    ],
    [
      'a promise',
      { connection: Promise.resolve(connection) },
      /"connection" must be a redis:.* got a promise\. Await it\./,
    ],
    [
      'a client of the package redis',
      { connection: { isOpen: false, isReady: false, duplicate: () => undefined } },
      /"connection" must be a redis:.* got a client of another package\. Make it with ioredis\./,
    ],
    ['a keyPrefix', { connection: { keyPrefix: 'x' } }, /no keyPrefix/],
    ['a URL with a keyPrefix', { connection: `${connection}?keyPrefix=x` }, /no keyPrefix/],
    ['a client with a keyPrefix', { connection: client({ keyPrefix: 'x' }) }, /no keyPrefix/],
    ['a cluster with a keyPrefix', { connection: cluster({ keyPrefix: 'x' }) }, /no keyPrefix/],
    [
      'a cluster whose nodes have a keyPrefix',
      { connection: cluster({ redisOptions: { keyPrefix: 'x' } }) },
      /no keyPrefix/,
    ],
    ['numbers as text', { connection: { stringNumbers: true } }, /not have stringNumbers/],
    ['a URL with numbers as text', { connection: `${connection}?stringNumbers=true` }, /not have stringNumbers/],
    ['a client with numbers as text', { connection: client({ stringNumbers: true }) }, /not have stringNumbers/],
    [
      'a cluster with numbers as text',
      { connection: cluster({ redisOptions: { maxRetriesPerRequest: null, stringNumbers: true } }) },
      /not have stringNumbers/,
    ],
    ['a commandTimeout', { connection: { commandTimeout: 1_000 } }, /no commandTimeout/],
    ['a client with a commandTimeout', { connection: client({ commandTimeout: 1_000 }) }, /no commandTimeout/],
    [
      'a cluster whose nodes have a commandTimeout',
      { connection: cluster({ redisOptions: { maxRetriesPerRequest: null, commandTimeout: 1_000 } }) },
      /no commandTimeout/,
    ],
    ['a client that gives up', { connection: client({ maxRetriesPerRequest: 20 }) }, /maxRetriesPerRequest: null/],
    [
      'a client that sends nothing again',
      { connection: client({ autoResendUnfulfilledCommands: false }) },
      /autoResend/,
    ],
    ['a release that is no whole number', { connection, release: 1.5 }, /"release" must be a whole number/],
    ['a queue that is no slug', { connection, queues: ['a:b'] }, /"queues" has a name that must be 1 to 100/],
    ['a queue that is named twice', { connection, queues: ['a', 'a'] }, /"queues" names a queue twice/],
    ['no list of queues', { connection, queues: 'default' }, /"queues" must be a list/],
    ['no concurrency', { connection, concurrency: 0 }, /"concurrency" must be a whole number from 1/],
    ['a name with braces', { connection, applicationName: '{shop}' }, /"applicationName" must be 1 to 100/],
    ['an option of the default manager', { connection, clock: {} }, /unknown option "clock"/],
  ])('refuses %s', (_what, options, message) => {
    expect(refusalOf(options)).toMatchObject({ code: 'invalid-options', message: expect.stringMatching(message) })
  })

  it('takes a URL, options or a client', () => {
    const url = `${connection}?family=4`
    for (const given of [connection, url, { host: '127.0.0.1' }, client({}), cluster({})]) {
      expect(refusalOf({ connection: given })).toBeUndefined()
    }
  })
})
