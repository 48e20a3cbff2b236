import { setTimeout as sleep } from 'node:timers/promises'
import { BackgroundWorkerError, type IBackgroundWorkerManager, every } from '@background-workers/abstractions'
import { type RunLog, describeRun } from './run-log.ts'

/** What an operator does at run time, and what comes of it. */
export async function operate(manager: IBackgroundWorkerManager, log: RunLog): Promise<string[]> {
  await manager.pause('digest', { by: 'ada', note: 'audit' })
  // The active run, if there is one, goes on; two at a time are refused.
  while ((await manager.get('digest'))?.state !== 'paused') await sleep(20)
  const triggered = await log.untilOver(await manager.trigger('digest', { by: 'ada' }))
  await manager.reschedule('import', every('1h'), { by: 'ada' })
  const refused = await manager.trigger('no-such-worker').catch((error: unknown) => error)

  const digest = await manager.get('digest')
  const override = (await manager.get('import'))?.schedule?.override
  return [
    `pause         digest is ${digest?.state} by ${digest?.paused?.by}: ${digest?.paused?.note}`,
    `trigger       digest, ${triggered.kind} by ${triggered.by}: ${describeRun(triggered)}`,
    `reschedule    import by ${override?.by}: ${JSON.stringify(override?.schedule)}`,
    `refused       ${BackgroundWorkerError.is(refused) ? refused.code : 'nothing'}`,
  ]
}
