import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NoRedisError, provideRedis, randomApplicationName, removeKeys } from 'example-bullmq/example-redis'
import { InterruptedError, watchForInterruption } from 'example-bullmq/interruption'
import { Story } from './story.ts'

const interruption = watchForInterruption()
try {
  // Disposed in reverse order, also when something fails: nothing is left behind.
  await using redis = await provideRedis()
  await using logFolder = await mkdtempDisposable(join(tmpdir(), 'example-cluster-'))
  const applicationName = randomApplicationName('example-cluster')
  await using cleanUp = new AsyncDisposableStack()
  cleanUp.defer(() => removeKeys(redis.url, applicationName))
  await using story = new Story({ redis, applicationName, logFolder: logFolder.path, interruption })
  await story.tell()
} catch (error) {
  const isExpected = error instanceof NoRedisError || error instanceof InterruptedError
  console.error(isExpected ? error.message : error)
  process.exitCode = 1
}
