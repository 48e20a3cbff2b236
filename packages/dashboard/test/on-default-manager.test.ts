import { cron, periodicWorker } from '@background-workers/abstractions'
import { ManualClock } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { expect, it } from 'vitest'
import { createDashboard } from '../src/index.ts'
import { Visitor } from './fixtures/visitor.ts'
import { worksOn } from './fixtures/works-on.ts'

worksOn('the default manager', async () => new DefaultBackgroundWorkerManager({ stopTimeoutMs: 100 }))

it('the dashboard of the default manager shows that a schedule has come to its end', async () => {
  // A cron has no slot from the year 3000 on.
  const clock = new ManualClock(Date.UTC(2999, 11, 31, 23, 59, 30))
  await using manager = new DefaultBackgroundWorkerManager({ clock })
  await manager.add(periodicWorker({ name: 'minutely', schedule: cron('* * * * *'), async doWork() {} }))
  await manager.start()
  using dashboard = createDashboard({ manager, authorize: () => ({ by: 'ada' }) })
  const visitor = new Visitor(dashboard)
  expect(await visitor.page('/workers')).toContain('No next slot')
  expect(await visitor.page('/workers?state=attention')).toContain('data-worker="minutely"')
  expect(await visitor.page('/workers/minutely')).toContain('has no next slot: its schedule has come to an end.')
})
