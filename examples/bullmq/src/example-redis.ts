import { randomBytes } from 'node:crypto'
import { readVersion, withRedis } from './redis-client.ts'
import { findRedisServer, startRedisServer } from './redis-server.ts'

export { withRedis }

/** The Redis of an example: the one that `REDIS_URL` names, or a server that the example starts for itself. */
export interface ExampleRedis extends AsyncDisposable {
  readonly url: string
  /** What it is, in a few words. */
  readonly description: string
  /** Stops the server and starts it again on the files it has written; none where the server is not the example's. */
  restart?(): Promise<void>
}

/** There is no Redis, or it does not answer. The message says what to do. */
export class NoRedisError extends Error {}

/** @throws NoRedisError */
export async function provideRedis(): Promise<ExampleRedis> {
  const url = process.env.REDIS_URL
  if (url) return useExisting(url)
  const program = findRedisServer()
  if (program) return startRedisServer(program)
  throw new NoRedisError(
    [
      'This example needs Redis 6.2 or newer (or Valkey), and there is none: REDIS_URL is not set, and the PATH has neither',
      'redis-server nor valkey-server. Install one, and the example starts it by itself:',
      '  Debian, Ubuntu   sudo apt-get install redis-server',
      '  Fedora, RHEL     sudo dnf install valkey',
      '  Alpine           sudo apk add redis',
      '  macOS            brew install redis',
      'Or say where one runs. The example uses keys of its own and removes them at the end:',
      '  REDIS_URL=redis://127.0.0.1:6379 npm run …',
    ].join('\n'),
  )
}

/** A name that no other application has, so that an example can share a Redis. */
export function randomApplicationName(example: string): string {
  return `${example}-${randomBytes(6).toString('hex')}`
}

/** Removes every key with the application's (random) name in it. */
export async function removeKeys(url: string, applicationName: string): Promise<void> {
  await withRedis(url, async (redis) => {
    for await (const keys of redis.scanStream({ match: `*${applicationName}*`, count: 1_000 })) {
      for (const key of keys) await redis.unlink(key)
    }
  })
}

async function useExisting(url: string): Promise<ExampleRedis> {
  try {
    const version = await withRedis(url, readVersion)
    return {
      url,
      description: `${version} at ${new URL(url).host}, where REDIS_URL points`,
      [Symbol.asyncDispose]: async () => {},
    }
  } catch (cause) {
    const { message } = cause as Error
    throw new NoRedisError(`No Redis answers where REDIS_URL points (${message}). Start it, or unset REDIS_URL.`, {
      cause,
    })
  }
}
