import { every, periodicWorker } from '@background-workers/abstractions'
import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { freshApplicationName, removeApplication, sharedRedis } from 'test-redis'
import { afterAll, expect, it } from 'vitest'
import { createDashboard } from '../src/index.ts'
import { Visitor } from './fixtures/visitor.ts'
import { worksOn } from './fixtures/works-on.ts'

const applicationNames: string[] = []

async function createManager({ applicationName = freshApplicationName(), release = 1, isEnabled = true } = {}) {
  applicationNames.push(applicationName)
  const { url } = await sharedRedis()
  return new BullMqBackgroundWorkerManager({
    applicationName,
    connection: url,
    release,
    isEnabled,
    stopTimeoutMs: 1_000,
  })
}

afterAll(async () => {
  const { url } = await sharedRedis()
  for (const name of new Set(applicationNames)) await removeApplication(url, name)
})

worksOn('the BullMQ manager', () => createManager())

it('a web process that runs nothing shows and deletes an orphan', async () => {
  const applicationName = freshApplicationName()
  const worker = (name: string) => periodicWorker({ name, schedule: every('1h'), async doWork() {} })
  const old = await createManager({ applicationName })
  await old.add(worker('former'))
  await old.add(worker('kept'))
  await old.start()
  await old.stop()
  await using current = await createManager({ applicationName, release: 2 })
  await current.add(worker('kept'))
  await current.start()

  await using web = await createManager({ applicationName, release: 2, isEnabled: false })
  await web.start()
  using dashboard = createDashboard({ manager: web, authorize: () => ({ by: 'ada' }) })
  const visitor = new Visitor(dashboard)
  await expect.poll(() => visitor.page('/workers/former')).toContain('Orphaned')
  expect(await visitor.page('/')).toContain('Instances alive')
  const response = await visitor.act('former', 'remove')
  expect(response.headers.get('location')).toBe('../../workers?done=remove')
  expect(await web.get('former')).toBeUndefined()
  expect((await visitor.fetch('/workers/former')).status).toBe(404)
  expect(await visitor.page('/workers?done=remove')).toContain('The worker is deleted.')
})
