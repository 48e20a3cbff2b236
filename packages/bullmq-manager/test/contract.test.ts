import { managerContract } from '@background-workers/abstractions/testing'
import { removeApplication } from 'test-redis'
import { describe, inject, it } from 'vitest'
import { BullMqBackgroundWorkerManager } from '../src/index.ts'

const connection = inject('redisUrl')
const applications = new WeakMap<BullMqBackgroundWorkerManager, string>()

// No deviation: the smallest period of 1 s is an option of the suite.
managerContract({
  runner: { describe, it: it.concurrent },
  createManager(options) {
    const manager = new BullMqBackgroundWorkerManager({ commandTimeoutMs: 60_000, ...options, connection })
    applications.set(manager, options.applicationName ?? '')
    return manager
  },
  shortPeriodMs: 1_000,
  minPeriodMs: 1_000,
  cleanUp: (manager) => removeApplication(connection, applications.get(manager) ?? ''),
})
