import { TestProcess } from 'test-process'
import { expect, it } from 'vitest'
import { TestCluster } from './fixtures/cluster.ts'

it('a stop leaves no socket behind, and no timer that would hold the process up', async () => {
  await using cluster = await TestCluster.open()
  await using script = new TestProcess(new URL('fixtures/stops.ts', import.meta.url), {
    args: [cluster.redisUrl, cluster.applicationName],
  })
  expect({ ...(await script.exit), stderr: script.stderr }).toEqual({ code: 0, signal: null, stderr: '' })
  expect(script.lines).toEqual(['[]'])
})
