import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from 'test-redis'

/** A Redis of the bench's own, started when it is first needed: samples empty it and count what it does. */
export class BenchRedis {
  #server: Promise<RedisServer> | undefined

  /** Empties it, and forgets what it has counted. */
  async fresh(): Promise<string> {
    this.#server ??= startRedis()
    const { url } = await this.#server
    const client = new Redis(url)
    await client.flushall()
    await client.config('RESETSTAT')
    client.disconnect()
    return url
  }

  async close(): Promise<void> {
    await (await this.#server)?.cleanUp()
  }
}
