import type { Redis } from 'ioredis'
import { type RedisClient, disconnectingOnce, endClient } from './redis-client.ts'

/**
 * The connections that BullMQ makes of a client, one for each of its workers that blocks. BullMQ closes them, but one that is
 * half-open it revives afterwards and for ever; so they are remembered here.
 */
export class BlockingClients {
  readonly #client: Redis
  readonly #duplicates: Redis[] = []

  constructor(client: RedisClient) {
    this.#client = client as Redis
  }

  /** Constructs something of BullMQ's that duplicates the client. */
  lend<T>(construct: () => T): T {
    const client = this.#client
    const duplicate = client.duplicate.bind(client)
    const own = Object.getOwnPropertyDescriptor(client, 'duplicate')
    client.duplicate = (...args) => {
      const copy = disconnectingOnce(duplicate(...args))
      this.#duplicates.push(copy)
      // BullMQ takes its own listener away before the last error has come.
      copy.on('error', () => {})
      return copy
    }
    try {
      return construct()
    } finally {
      if (own) Object.defineProperty(client, 'duplicate', own)
      else delete (client as Partial<Redis>).duplicate
    }
  }

  /** Closes what BullMQ has left open. */
  end(): void {
    for (const client of this.#duplicates) endClient(client)
  }
}
