import { cron, every, periodicWorker } from '@background-workers/abstractions'
import { waitForRun } from '@background-workers/abstractions/testing'
import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { Cluster, Redis } from 'ioredis'
const watch = new Redis(7391)
const info = async (s: string, k: string) => Number(new RegExp(`${k}:(\\d+)`).exec(await watch.info(s))?.[1])
await watch.ping()
const clients0 = await info('clients', 'connected_clients')
const mem0 = await info('memory', 'used_memory')
global.gc?.()
const heap0 = process.memoryUsage().heapUsed
const manager = new BullMqBackgroundWorkerManager({ applicationName: 'shop', connection: 'redis://127.0.0.1:7391' })
for (let i = 0; i < 1000; i++) await manager.add(periodicWorker({ name: `worker-${i}`, schedule: every('30d'), async doWork() {} }))
let t = performance.now()
await manager.start()
console.log('start ms', Math.round(performance.now() - t))
await new Promise((r) => setTimeout(r, 3000))
global.gc?.()
console.log('clients +', (await info('clients', 'connected_clients')) - clients0, 'redis mem +', (await info('memory', 'used_memory')) - mem0, 'heap +', process.memoryUsage().heapUsed - heap0)
const c0 = await info('stats', 'total_commands_processed')
await new Promise((r) => setTimeout(r, 40000))
const c1 = await info('stats', 'total_commands_processed')
console.log('commands/s idle', (c1 - c0) / 40)
const stat = async () => { const s = await watch.info('commandstats'); return Object.fromEntries([...s.matchAll(/cmdstat_(\S+):calls=(\d+)/g)].map((m) => [m[1], Number(m[2])])) }
const s0 = await stat(); const k0 = await info('stats', 'total_commands_processed')
for (let i = 0; i < 100; i++) { const runId = await manager.trigger(`worker-${i}`); await waitForRun(manager, `worker-${i}`, { runId }) }
const s1 = await stat(); const k1 = await info('stats', 'total_commands_processed')
console.log('per triggered run: client commands', (k1 - k0) / 100, 'evalsha', ((s1.evalsha ?? 0) - (s0.evalsha ?? 0)) / 100, 'all', Object.keys(s1).reduce((n, k) => n + s1[k]! - (s0[k] ?? 0), 0) / 100)
console.log((await watch.keys('*')).map((k) => k.replace(/worker-\d+/, 'W').replace(/\d{10,}/, 'MS')).filter((k, i, a) => a.indexOf(k) === i))
console.log(await manager.stop())
const m2 = new BullMqBackgroundWorkerManager({ applicationName: 'shop', connection: 'redis://127.0.0.1:7391' })
for (let i = 0; i < 1000; i++) await m2.add(periodicWorker({ name: `worker-${i}`, schedule: every('30d'), async doWork() {} }))
t = performance.now(); await m2.start(); console.log('second start ms', Math.round(performance.now() - t)); await m2.stop()
watch.disconnect()
const cluster = new Cluster([{ host: '127.0.0.1', port: 7392 }], { redisOptions: { maxRetriesPerRequest: null } })
const m3 = new BullMqBackgroundWorkerManager({ applicationName: 'shop', connection: cluster, logger: console })
await m3.add(periodicWorker({ name: 'w', schedule: cron('* * * * * *'), async doWork() {} }))
await m3.start(); console.log((await waitForRun(m3, 'w')).outcome); await m3.stop(); cluster.disconnect()
