import { withClient } from './client.ts'
import { isDockerRunning, startDockerRedis } from './docker-redis.ts'
import { findRedisServer, HOW_TO_GET_REDIS } from './find-redis-server.ts'
import { installRedisServer } from './install-redis-server.ts'
import { startRedis } from './redis-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The Redis that all tests of the run share. */
    redisUrl: string
  }
}

/**
 * The Redis that all tests of a run share. Give each test its own application name, and remove it afterwards; never
 * flush. It is there in the vitest project `redis`, and in the child processes of its tests.
 */
export async function sharedRedis(): Promise<{ url: string }> {
  const url = process.env.REDIS_URL
  if (url) return { url }
  throw new Error(
    'This test needs Redis, and no set-up has provided one. List the test in `redisTests` of vitest.config.ts.',
  )
}

/** A Redis for a whole test run, for its set-up: whoever calls this calls `stop()`. */
export interface ProvidedRedis {
  readonly url: string
  /** Ends what was started for it, and leaves a Redis alone that was there before. */
  stop(): Promise<void>
}

/**
 * Finds or starts a Redis: `REDIS_URL`, a server on the path, Docker, a server that it installs; in this order.
 * @throws an error that says what to install when there is none
 */
export async function provideRedis(): Promise<ProvidedRedis> {
  const url = process.env.REDIS_URL
  if (url) return useExisting(url)
  if (findRedisServer()) return startOwn()
  let dockerProblem = 'no engine answers'
  if (await isDockerRunning()) {
    try {
      return await startDockerRedis()
    } catch (error) {
      // no image, for instance: there is still a way to go
      dockerProblem = (error as Error).message
    }
  }
  const installed = await installRedisServer()
  if ('path' in installed) return startOwn()
  throw new Error(
    [
      'The tests need Redis, and there is none.',
      '- REDIS_URL: not set',
      '- PATH: has neither redis-server nor valkey-server',
      `- Docker: ${dockerProblem}`,
      `- installing it: ${installed.reason}`,
      HOW_TO_GET_REDIS,
    ].join('\n'),
  )
}

async function useExisting(url: string): Promise<ProvidedRedis> {
  try {
    await withClient(url, (client) => client.ping())
  } catch (cause) {
    const { host } = new URL(url)
    throw new Error(`No Redis answers at ${host}, where REDIS_URL points. Start it, or unset REDIS_URL.`, { cause })
  }
  return { url, stop: async () => {} }
}

async function startOwn(): Promise<ProvidedRedis> {
  const server = await startRedis()
  return { url: server.url, stop: () => server.cleanUp() }
}
