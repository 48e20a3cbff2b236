import type { IBackgroundWorkerManager } from '@background-workers/abstractions'
import { every } from '@background-workers/abstractions'
import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { provideRedis, randomApplicationName, removeKeys } from 'example-bullmq/example-redis'
import { createFormerWorker, createWorkers } from './workers.ts'

/** A manager that runs the workers, and what it has to do with others when it is disposed. */
export interface RunningManager extends AsyncDisposable {
  readonly manager: IBackgroundWorkerManager
  readonly description: string
}

/** Workers that end when they are told take less; one of the example never ends. */
const STOP_TIMEOUT_MS = 1_000

/** In this process, with nothing else needed. */
export async function startDefaultManager(): Promise<RunningManager> {
  const manager = new DefaultBackgroundWorkerManager({ stopTimeoutMs: STOP_TIMEOUT_MS })
  await startWorkers(manager)
  return { manager, description: 'the default manager', [Symbol.asyncDispose]: () => manager[Symbol.asyncDispose]() }
}

/** On a Redis of its own or that of `REDIS_URL`. An older release has been there before, so that there is an orphan. */
export async function startBullMqManager(): Promise<RunningManager> {
  await using stack = new AsyncDisposableStack()
  const redis = stack.use(await provideRedis())
  const applicationName = randomApplicationName('example-dashboard')
  stack.defer(() => removeKeys(redis.url, applicationName))
  const options = { applicationName, connection: redis.url, stopTimeoutMs: STOP_TIMEOUT_MS }

  const former = new BullMqBackgroundWorkerManager({ ...options, release: 1 })
  await former.add(createFormerWorker())
  await former.start()
  await former.stop()

  const manager = stack.use(new BullMqBackgroundWorkerManager({ ...options, release: 2 }))
  await startWorkers(manager)
  const held = stack.move()
  return { manager, description: `BullMQ on ${redis.description}`, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

async function startWorkers(manager: IBackgroundWorkerManager): Promise<void> {
  for (const worker of createWorkers()) await manager.add(worker)
  await manager.start()
  // What operators have done before.
  await manager.pause('stock-report', { by: 'ada', note: 'the warehouse counts until Friday' })
  await manager.reschedule('currency-rates', every('25s'), { by: 'grace' })
}
