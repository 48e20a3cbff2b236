import type { IBackgroundWorkerManager, Logger } from '@background-workers/abstractions'
import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { RedisDistributedLock } from '@background-workers/redis-lock'
import type { ApplicationSettings } from './application.ts'

/** The managers that can be tortured; the default one with a distributed lock. */
export const MANAGER_NAMES = ['default', 'bullmq'] as const

/** One of them. */
export type ManagerName = (typeof MANAGER_NAMES)[number]

/** So long a graceful stop waits: longer than any worker here works, except a marathon, which heeds its signal. */
const STOP_TIMEOUT_MS = 12_000

/** The manager of one process, and how to end everything that it stands on once it has stopped. */
export interface TorturedManager {
  readonly manager: IBackgroundWorkerManager
  readonly dispose: () => Promise<void>
}

/** Makes the manager of a process; the caller starts and stops it. */
export function createManager(settings: ApplicationSettings, logger: Logger): TorturedManager {
  const { applicationName, redisUrl: connection, release } = settings
  const shared = { applicationName, logger, stopTimeoutMs: STOP_TIMEOUT_MS }
  if (settings.manager === 'bullmq') {
    return { manager: new BullMqBackgroundWorkerManager({ ...shared, connection, release }), dispose: async () => {} }
  }
  const lock = new RedisDistributedLock({ applicationName, connection, logger })
  return {
    manager: new DefaultBackgroundWorkerManager({ ...shared, distributedLock: lock }),
    dispose: () => lock[Symbol.asyncDispose](),
  }
}
