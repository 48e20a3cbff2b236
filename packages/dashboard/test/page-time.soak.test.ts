import { type IBackgroundWorkerManager, cron, every, periodicWorker } from '@background-workers/abstractions'
import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { freshApplicationName, removeApplication, sharedRedis } from 'test-redis'
import { expect, it } from 'vitest'
import { createDashboard } from '../src/index.ts'
import { Visitor } from './fixtures/visitor.ts'

const WORKERS = 5_000
const ROUNDS = 9
const PAGES = [
  '/',
  '/workers',
  '/workers?q=99&sort=state',
  '/workers?state=idle&sort=next&order=desc&page=40',
  '/workers/worker-2500',
]

/** Of processor time, several times what is measured: 5,000 rows instead of 50, or a sort that is quadratic, do not fit. */
const LIMIT_MS = { default: 150, bullmq: 400 }

it('the default manager: pages of 5,000 workers are quick', async () => {
  await using manager = new DefaultBackgroundWorkerManager()
  await measure('default manager', manager, LIMIT_MS.default)
}, 300_000)

it('the BullMQ manager: pages of 5,000 workers are quick', async () => {
  const applicationName = freshApplicationName()
  const { url } = await sharedRedis()
  try {
    await using manager = new BullMqBackgroundWorkerManager({ applicationName, connection: url })
    await measure('BullMQ manager', manager, LIMIT_MS.bullmq)
  } finally {
    await removeApplication(url, applicationName)
  }
}, 300_000)

async function measure(name: string, manager: IBackgroundWorkerManager, limitMs: number): Promise<void> {
  for (let index = 0; index < WORKERS; index++) {
    // As in an application: half of them crons, nearly all of them different.
    const schedule = index % 2 === 0 ? every('30d') : cron(`${index % 60} ${index % 23} * * *`)
    await manager.add(periodicWorker({ name: `worker-${index}`, schedule, async doWork() {} }))
  }
  await manager.start()
  const lines = [`${name}, ${WORKERS} workers, median of ${ROUNDS}, processor time`]
  for (const path of PAGES) {
    const ms = await median(async () => {
      // One of its own each time, for it uses a list that it has read again for a while.
      using dashboard = createDashboard({ manager, authorize: () => ({ by: 'ada' }) })
      expect((await new Visitor(dashboard).fetch(path)).status).toBe(200)
    })
    lines.push(`${ms.toFixed(1).padStart(7)} ms  ${path}`)
    expect(ms).toBeLessThan(limitMs)
  }
  lines.push(`${(await median(() => manager.list())).toFixed(1).padStart(7)} ms  list()`)
  console.info(lines.join('\n'))
}

async function median(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    // Of this process: what else the machine does, does not count.
    const before = process.cpuUsage()
    await work()
    const { user, system } = process.cpuUsage(before)
    times.push((user + system) / 1_000)
  }
  return times.sort((one, other) => one - other)[(ROUNDS - 1) / 2] as number
}
