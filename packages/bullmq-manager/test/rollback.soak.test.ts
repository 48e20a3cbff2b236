import { cron } from '@background-workers/abstractions'
import { expect, it } from 'vitest'
import { ApplicationProcesses } from './fixtures/cluster-process.ts'
import { TestCluster } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'

const [ofRelease1, ofRelease2] = [cron('0 3 29 2 *'), cron('0 4 29 2 *')]

it('release 1 is in force again within a minute after the process of release 2 was killed', async () => {
  await using cluster = await TestCluster.open()
  const manager = await cluster.start([new Probe().worker('digest', ofRelease1)], { release: 1 })
  const declared = async () => (await manager.get('digest'))?.schedule?.declared
  const { applicationName, redisUrl } = cluster
  const workers = [{ name: 'digest', schedule: ofRelease2 }]
  await using processes = await ApplicationProcesses.open({
    applicationName,
    redisUrl,
    workers,
    options: { release: 2 },
  })
  const release2 = await processes.spawn()
  await release2.start()
  await expect.poll(declared, { timeout: 20_000 }).toEqual(ofRelease2)
  release2.signal('SIGKILL')
  await release2.exited
  await expect.poll(declared, { timeout: 60_000, interval: 500 }).toEqual(ofRelease1)
})
