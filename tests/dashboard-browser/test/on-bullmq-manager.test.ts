import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { freshApplicationName, removeApplication, sharedRedis } from 'test-redis'
import { afterAll } from 'vitest'
import { dashboardSuite } from '../src/dashboard-suite.ts'

const applicationNames: string[] = []

dashboardSuite('bullmq', async () => {
  const applicationName = freshApplicationName()
  applicationNames.push(applicationName)
  const { url } = await sharedRedis()
  return new BullMqBackgroundWorkerManager({ applicationName, connection: url, stopTimeoutMs: 1_000 })
})

afterAll(async () => {
  const { url } = await sharedRedis()
  for (const name of applicationNames) await removeApplication(url, name)
})
