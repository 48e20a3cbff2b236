import { cron, periodicWorker } from '@background-workers/abstractions'
import { waitForRun } from '@background-workers/abstractions/testing'
import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { Cluster } from 'ioredis'
const cluster = new Cluster([{ host: '127.0.0.1', port: 7392 }], { redisOptions: { maxRetriesPerRequest: null } })
cluster.on('error', (e) => console.log('E', e.message))
const m3 = new BullMqBackgroundWorkerManager({ applicationName: 'shop', connection: cluster, logger: console, startTimeoutMs: 4000 })
await m3.add(periodicWorker({ name: 'w', schedule: cron('* * * * * *'), async doWork() {} }))
await m3.start(); const r = await waitForRun(m3, 'w'); console.log(r.outcome, r.lateByMs); console.log(await m3.stop()); cluster.disconnect()
