import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { provideRedis, randomApplicationName, removeKeys } from 'example-bullmq/example-redis'
import { watchForInterruption } from 'example-bullmq/interruption'
import { tell } from './story.ts'

const interruption = watchForInterruption()
try {
  await run('default')
  // Disposed in reverse order: what the example has written, and the Redis, if it has started it.
  await using redis = await provideRedis()
  const applicationName = randomApplicationName('example-dedicated-host')
  await using cleanUp = new AsyncDisposableStack()
  cleanUp.defer(() => removeKeys(redis.url, applicationName))
  console.log(`\n${redis.description}`)
  await run('bullmq', { REDIS_URL: redis.url, APPLICATION_NAME: applicationName })
} catch (error) {
  const { message } = (interruption.aborted ? interruption.reason : error) as Error
  console.error(message)
  process.exitCode = 1
}

async function run(manager: 'default' | 'bullmq', environment: Record<string, string> = {}): Promise<void> {
  console.log(`\nMANAGER=${manager}`)
  await using folder = await mkdtempDisposable(join(tmpdir(), 'example-dedicated-host-'))
  const databaseFile = join(folder.path, 'shop.db')
  const lines = await tell({ ...environment, MANAGER: manager, DATABASE_FILE: databaseFile }, interruption)
  for (const line of lines) console.log(`   ${line}`)
}
