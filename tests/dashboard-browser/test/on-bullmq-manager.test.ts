import { every, periodicWorker } from '@background-workers/abstractions'
import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { freshApplicationName, removeApplication, sharedRedis } from 'test-redis'
import { afterAll, expect, it } from 'vitest'
import { dashboardSuite } from '../src/dashboard-suite.ts'
import { confirm, namesIn, openDialog, rowOf } from '../src/stage.ts'

const applicationNames: string[] = []

async function createManager(applicationName = freshApplicationName(), release = 1) {
  applicationNames.push(applicationName)
  const { url } = await sharedRedis()
  return new BullMqBackgroundWorkerManager({ applicationName, connection: url, release, stopTimeoutMs: 1_000 })
}

/** As the release before has left it: with a worker that this one does not declare. */
async function createWithOrphan() {
  const applicationName = freshApplicationName()
  await using former = await createManager(applicationName, 1)
  await former.add(periodicWorker({ name: 'loyalty-points', schedule: every('1d'), async doWork() {} }))
  await former.start()
  return createManager(applicationName, 2)
}

dashboardSuite('bullmq', createManager, (stageOn) => {
  const open = stageOn(createWithOrphan)

  it('an operator sees that a worker becomes an orphan, and deletes it', async () => {
    await using stage = await open()
    const { page, manager } = stage
    await page.goto('workers')
    // It is one when the instances of the former release are known to be gone.
    await expect
      .poll(() => rowOf(page, 'loyalty-points').getByRole('cell').last().textContent(), { timeout: 120_000 })
      .toBe('Orphaned')
    await rowOf(page, 'loyalty-points').getByRole('link').click()
    await page.getByRole('heading', { name: 'loyalty-points', level: 1 }).waitFor()
    await page.getByText('No instance of the release in force declares it.').waitFor()
    const dialog = await openDialog(page, 'Delete')
    await dialog.getByText('Deletes it with its schedule, its pause and its override.').waitFor()
    await confirm(dialog, 'Delete', 'The worker is deleted.')
    expect(new URL(page.url()).pathname).toBe('/admin/jobs/workers')
    const names = await namesIn(page)
    expect(names).toContain('stock-report')
    expect(names).not.toContain('loyalty-points')
    expect(await manager.get('loyalty-points')).toBeUndefined()
  })
})

afterAll(async () => {
  const { url } = await sharedRedis()
  for (const name of new Set(applicationNames)) await removeApplication(url, name)
})
