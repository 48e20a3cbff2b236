// The compiler makes a require() of each of these imports.
import { BackgroundWorkerError, every, periodicWorker } from '@background-workers/abstractions'
import { stableHash } from '@background-workers/abstractions/for-managers'
import { runOnce } from '@background-workers/abstractions/testing'
import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { bullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager/register'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { defaultBackgroundWorkerManager } from '@background-workers/default-manager/register'
import { createApplication, defineModule } from '@background-workers/hosting'

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
        bullMqBackgroundWorkerManager,
        createApplication,
        defaultBackgroundWorkerManager,
        defineModule,
        stableHash,
      ].map((value) => typeof value),
    }),
  )
}

void main()
