import { every, periodicWorker } from '@background-workers/abstractions'
import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { Redis } from 'ioredis'
const watch = new Redis(7391)
await watch.flushall()
const info = async (s: string, k: string) => Number(new RegExp(`${k}:(\\d+)`).exec(await watch.info(s))?.[1])
const manager = new BullMqBackgroundWorkerManager({ applicationName: 'shop', connection: 'redis://127.0.0.1:7391' })
for (let i = 0; i < 1000; i++) await manager.add(periodicWorker({ name: `worker-${i}`, schedule: every('30d'), async doWork() {} }))
await manager.start()
await new Promise((r) => setTimeout(r, 15000))
const c0 = await info('stats', 'total_commands_processed')
await new Promise((r) => setTimeout(r, 60000))
const c1 = await info('stats', 'total_commands_processed')
console.log('commands/s idle', (c1 - c0) / 60)
await manager.stop(); watch.disconnect()
