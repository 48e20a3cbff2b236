export { BullMqBackgroundWorkerManager } from './bullmq-background-worker-manager.ts'
export type { BullMqManagerOptions, RedisConnection } from './options.ts'
