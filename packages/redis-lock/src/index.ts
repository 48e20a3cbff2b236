export type { RedisLockConnection, RedisLockOptions } from './options.ts'
export { RedisDistributedLock } from './redis-distributed-lock.ts'
