export { freshApplicationName, removeApplication } from './application-keys.ts'
export { type RedisServer, type RedisServerOptions, startRedis } from './redis-server.ts'
export { sharedRedis } from './shared-redis.ts'
export { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'
