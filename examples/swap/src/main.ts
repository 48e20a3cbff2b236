import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { provideRedis, randomApplicationName, removeKeys } from 'example-bullmq/example-redis'
import { watchForInterruption } from 'example-bullmq/interruption'

const APPLICATION = fileURLToPath(new URL('application.ts', import.meta.url))

const interruption = watchForInterruption()
try {
  const first = await run('default')
  // Disposed in reverse order: what the example has written, and the Redis, if it has started it.
  await using redis = await provideRedis()
  const applicationName = randomApplicationName('example-swap')
  await using cleanUp = new AsyncDisposableStack()
  cleanUp.defer(() => removeKeys(redis.url, applicationName))
  console.log(`\n${redis.description}`)
  const second = await run('bullmq', { REDIS_URL: redis.url, APPLICATION_NAME: applicationName })
  const isSame = first === second
  console.log(isSame ? '\nBoth managers: the same lines.' : '\nThe managers differ.')
  if (!isSame) process.exitCode = 1
} catch (error) {
  // For a child process that failed it says what that has written to stderr.
  const { message } = (interruption.aborted ? interruption.reason : error) as Error
  console.error(message)
  process.exitCode = 1
}

/** Runs the application with one of the managers, and gives what it says. */
async function run(manager: 'default' | 'bullmq', environment: Record<string, string> = {}): Promise<string> {
  console.log(`\nMANAGER=${manager}`)
  // It rejects unless the exit code is 0.
  const { stdout } = await promisify(execFile)(process.execPath, [APPLICATION], {
    env: { ...process.env, ...environment, MANAGER: manager },
    signal: interruption,
  })
  for (const line of stdout.trimEnd().split('\n')) console.log(`   ${line}`)
  return stdout
}
