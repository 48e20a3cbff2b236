import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { Redis } from 'ioredis'
import { Ledger } from './ledger.ts'

/**
 * What a web process of the application has: a manager that runs nothing and sees and controls everything
 * (`isEnabled: false`), and the ledger. No worker is added to it; it reads them from Redis.
 */
export class WebInstance implements AsyncDisposable {
  readonly manager: BullMqBackgroundWorkerManager
  readonly ledger: Ledger
  readonly #redis: Redis

  constructor(redisUrl: string, applicationName: string) {
    this.manager = new BullMqBackgroundWorkerManager({ connection: redisUrl, applicationName, isEnabled: false })
    this.#redis = new Redis(redisUrl, { disconnectTimeout: 100 })
    this.ledger = new Ledger({ redis: this.#redis, applicationName })
  }

  async start(): Promise<void> {
    await this.manager.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager.stop()
    this.#redis.disconnect()
  }
}
