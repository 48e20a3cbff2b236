// The compiler makes a require() of each of these imports.
import { BackgroundWorkerError, every, periodicWorker } from '@background-workers/abstractions'
import { stableHash } from '@background-workers/abstractions/for-managers'
import { runOnce } from '@background-workers/abstractions/testing'
import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { bullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager/register'
import { createDashboard } from '@background-workers/dashboard'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { defaultBackgroundWorkerManager } from '@background-workers/default-manager/register'
import { createApplication, defineModule } from '@background-workers/hosting'
import { createHealthHandler } from '@background-workers/hosting/health'
import { instrumentBackgroundWorkers } from '@background-workers/opentelemetry'
import { RedisDistributedLock } from '@background-workers/redis-lock'
import { redisDistributedLock } from '@background-workers/redis-lock/register'

async function main(): Promise<void> {
  const worker = periodicWorker({ name: 'send-digest', schedule: every('1h'), async doWork() {} })
  const { outcome } = await runOnce(worker)
  const manager = new DefaultBackgroundWorkerManager()
  await manager.add(worker)
  const error = await manager.add(worker).catch((reason: unknown) => reason)
  console.log(
    JSON.stringify({
      outcome,
      code: BackgroundWorkerError.is(error) && error.code,
      kinds: [
        BullMqBackgroundWorkerManager,
        RedisDistributedLock,
        bullMqBackgroundWorkerManager,
        createApplication,
        createDashboard,
        createHealthHandler,
        defaultBackgroundWorkerManager,
        defineModule,
        instrumentBackgroundWorkers,
        redisDistributedLock,
        stableHash,
      ].map((value) => typeof value),
    }),
  )
}

void main()
