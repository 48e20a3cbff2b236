import { readFileSync, readdirSync } from 'node:fs'
import { type RunRecord, every } from '@background-workers/abstractions'
import { expect, it } from 'vitest'
import { DATA_VERSION } from '../src/store.ts'
import { TestCluster, listen, untilRecords } from './fixtures/cluster.ts'
import { fixtureWorkers } from './fixtures/fixture-workers.ts'
import { type StoredData, writeStoredData } from './fixtures/stored-data.ts'

const folder = new URL('fixtures/', import.meta.url)
const files = readdirSync(folder).filter((file) => /^data-version-\d+\.json$/.test(file))

it('has the data of each version that was ever written, the present one too', () => {
  expect(files).toContain(`data-version-${DATA_VERSION}.json`)
})

it.each(files)('starts on %s: definitions, overrides, pauses, marks and records are still there', async (file) => {
  const data = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as StoredData
  await using cluster = await TestCluster.open()
  await writeStoredData(cluster.redis, cluster.applicationName, data)

  const manager = cluster.instance({ release: 7 })
  const dropped = listen(manager, 'override-dropped')
  for (const worker of fixtureWorkers()) if (worker.name !== 'removed') await manager.add(worker)
  await manager.start()

  const workers = new Map((await manager.list()).map((status) => [status.name, status]))
  expect([...workers.keys()]).toEqual(['succeeding', 'failing', 'ticking', 'paused', 'overridden'])
  expect(dropped).toEqual([])
  expect(workers.get('paused')).toMatchObject({ state: 'paused', paused: { note: 'while we look', by: 'fixture' } })
  expect(workers.get('overridden')?.schedule).toMatchObject({
    declared: every('1h'),
    override: { schedule: every('7h'), by: 'fixture' },
  })
  expect(workers.get('failing')).toMatchObject({ consecutiveFailures: 1, policy: { keepRuns: 5 } })
  expect(await manager.runs('succeeding')).toMatchObject([{ kind: 'manual', outcome: 'succeeded', by: 'fixture' }])
  expect(await manager.runs('failing')).toMatchObject([
    { outcome: 'failed', attempts: 2, error: { name: 'TypeError', message: 'as the fixture wants' } },
  ])

  // The slots that nobody was there for cost one decision, and the schedule goes on.
  const isLong = ({ missedSlots = 0 }: RunRecord) => missedSlots > 1_000
  await untilRecords(manager, 'ticking', (records) => records.some(isLong))
  const [latest] = await manager.runs('ticking')
  await untilRecords(manager, 'ticking', ([newest]) => (newest?.scheduledFor ?? 0) > (latest?.scheduledFor ?? 0))
  expect((await manager.runs('ticking')).filter(isLong)).toHaveLength(1)
})
