import { Redis } from 'ioredis'

/** Opens a client that does not wait, retry or queue for long, lends it to `use` and closes it. */
export async function withClient<T>(url: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 5_000,
    commandTimeout: 10_000,
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
    // of a client that has ended, disconnect() would arm a timer for nothing
    if (client.status !== 'end') client.disconnect()
  }
}
