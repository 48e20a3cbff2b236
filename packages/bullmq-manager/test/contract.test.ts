import { managerContract } from '@background-workers/abstractions/testing'
import { describe, it } from 'vitest'
import { BullMqBackgroundWorkerManager } from '../src/index.ts'

managerContract({
  runner: { describe, it: it.concurrent },
  createManager: (options) =>
    new BullMqBackgroundWorkerManager({ ...options, connection: process.env.REDIS_URL ?? 'redis://127.0.0.1:6399' }),
  shortPeriodMs: 1_000,
  minPeriodMs: 1_000,
})
