import { Redis } from 'ioredis'

/** Opens a client that does not wait, retry or queue for long, lends it to `use` and closes it. */
export async function withClient<T>(url: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 15_000,
    commandTimeout: 60_000,
    // how long a timer stays behind that ioredis arms for a connection which is already gone
    disconnectTimeout: 100,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  // connect() rejects with "Connection is closed."; the cause arrives only here.
  let cause: Error | undefined
  client.on('error', (error) => {
    cause = error
  })
  try {
    await client.connect().catch((error: unknown) => {
      throw cause ?? error
    })
    return await use(client)
  } finally {
    client.disconnect()
  }
}
