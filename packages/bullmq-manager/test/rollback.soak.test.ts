import { cron } from '@background-workers/abstractions'
import { TestProcess } from 'test-process'
import { expect, it } from 'vitest'
import { TestCluster } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'

const releaseProcess = new URL('fixtures/release-process.ts', import.meta.url)
const [ofRelease1, ofRelease2] = [cron('0 3 29 2 *'), cron('0 4 29 2 *')]

it('release 1 is in force again within a minute after the process of release 2 was killed', async () => {
  await using cluster = await TestCluster.open()
  const manager = await cluster.start([new Probe().worker('digest', ofRelease1)], { release: 1 })
  const declared = async () => (await manager.get('digest'))?.schedule?.declared
  await using release2 = new TestProcess(releaseProcess, { args: [cluster.redisUrl, cluster.applicationName] })
  await release2.line('started')
  await expect.poll(declared, { timeout: 20_000 }).toEqual(ofRelease2)
  release2.signal('SIGKILL')
  await release2.exit
  await expect.poll(declared, { timeout: 60_000, interval: 500 }).toEqual(ofRelease1)
}, 120_000)
