import {
  type Logger,
  ManagerStoppedError,
  type PeriodicWorkerPolicy,
  type RunKind,
  silentLogger,
} from '@background-workers/abstractions'
import { fillPolicy, safeLogger, systemClock } from '@background-workers/abstractions/for-managers'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { DelayedError, WaitingError } from 'bullmq'
import { ReplyError } from 'ioredis'
import { expect, it, onTestFinished, vi } from 'vitest'
import { claimedRun } from '../test/fixtures/claimed-run.ts'
import type { FetchedJob } from './hand-back.ts'
import { RunProcessor, type RunProcessorParts } from './run-processor.ts'

const HOUR_MS = 3_600_000

/** A processor whose only run has this policy, kind and work, and may start. */
function processorOf(
  kind: RunKind,
  policy: PeriodicWorkerPolicy,
  doWork: () => Promise<void>,
  { retrying = () => {}, finishRun = async () => 1, lines = silentLogger as Logger } = {},
) {
  const { claim } = claimedRun(Date.now())
  const logger = safeLogger(lines)
  const plan = {
    worker: { name: 'digest', doWork },
    policy: fillPolicy(policy),
    runId: 'digest.1',
    kind,
    scheduledForMs: Date.now(),
    lateByMs: 0,
    missedSlots: 0,
  }
  const processor = new RunProcessor({
    logger,
    planner: { plan: async () => ({ plan, claim }) },
    store: {
      decideRun: async () => ({ lastSucceededAtMs: undefined }),
      finishRun,
      settleRun: async () => {},
    },
    decidedMarks: { delete: () => {} },
    leases: { add: () => {}, remove: () => {}, isHeld: () => true },
    abandonedRun: () => undefined,
    runHost: {
      clock: systemClock,
      instanceId: 'one',
      scopeFactory: undefined,
      logger,
      runRetrying: retrying,
      runStuck: () => {},
    },
    runStarted: () => {},
    runFinished: () => {},
    runSettled: () => {},
    failuresCounted: () => {},
  } as unknown as RunProcessorParts)
  const process = (job: object = {}) => {
    const data = { worker: 'digest', kind, slot: 1, missedSlots: 0 }
    return processor.process('default', { job: { id: 'digest.1', data, ...job } } as unknown as FetchedJob)
  }
  return { processor, process }
}

/** A run that has failed and waits for its retry, and how it ended by the time a pause of that time was found. */
async function retryingRun(kind: RunKind, pausedSince: Date) {
  const waits = Promise.withResolvers<void>()
  const policy = { retry: { attempts: 2, backoffMs: HOUR_MS } }
  const { processor, process } = processorOf(kind, policy, () => Promise.reject(new Error('no')), {
    retrying: waits.resolve,
  })
  process().catch(() => {})
  await waits.promise
  await new Promise(setImmediate)
  processor.endRetries('digest', pausedSince)
  const outcome = processor.activeRun('digest.1')?.end?.outcome
  processor.activeRun('digest.1')?.endRetries()
  return outcome
}

it.each([
  ['ends the run of a slot that waits for its retry', 'scheduled', Date.now() + HOUR_MS, 'failed'],
  [
    'ends it also where the clocks differ, and it seems to have begun since',
    'scheduled',
    Date.now() - HOUR_MS,
    'failed',
  ],
  ['ends a run that was triggered before', 'manual', Date.now() + HOUR_MS, 'failed'],
  ['leaves a run that was triggered since', 'manual', Date.now() - HOUR_MS, undefined],
] as const)('a pause %s', async (_title, kind, pausedSince, outcome) => {
  expect(await retryingRun(kind, new Date(pausedSince))).toBe(outcome)
})

/** A run that comes to be decided, how often it is planned, and whether its job is put off. */
function undecidedRun(decideRun: () => Promise<unknown>, moveToDelayed = async () => {}) {
  const logger = safeLogger(silentLogger)
  const { claim } = claimedRun(Date.now())
  const plan = { worker: { name: 'digest' }, runId: 'digest.1', kind: 'manual', scheduledForMs: 1 }
  const count = { plans: 0, putOffs: 0 }
  const processor = new RunProcessor({
    logger,
    planner: { plan: async () => (++count.plans > 1_000 ? undefined : { plan, claim }) },
    store: { decideRun },
    leases: { add: () => {}, remove: () => {} },
    abandonedRun: () => undefined,
    runHost: { clock: systemClock, instanceId: 'one', logger },
  } as unknown as RunProcessorParts)
  const job = {
    id: 'digest.1',
    data: { worker: 'digest', kind: 'manual', slot: 1, missedSlots: 0 },
    moveToDelayed: () => {
      count.putOffs++
      return moveToDelayed()
    },
  }
  return { count, processed: processor.process('default', { job } as unknown as FetchedJob) }
}

const refuse = () => Promise.reject(new ReplyError('OOM command not allowed'))

it('puts a run off that is never as it was planned, and does not plan it for ever', async () => {
  const { count, processed } = undecidedRun(async () => 'plan-again')
  await expect(processed).rejects.toThrow(DelayedError)
  expect(count).toEqual({ plans: 10, putOffs: 1 })
})

it('leaves a run active whose decision got no answer: it may have been decided', async () => {
  const { count, processed } = undecidedRun(() => Promise.reject(new Error('Too many Cluster redirections.')))
  await expect(processed).rejects.toThrow(WaitingError)
  expect(count).toEqual({ plans: 1, putOffs: 0 })
})

it('leaves a run active that can be neither decided nor put off: if its job failed, nothing would be recorded', async () => {
  const { count, processed } = undecidedRun(refuse, refuse)
  await expect(processed).rejects.toThrow(WaitingError)
  expect(count).toEqual({ plans: 1, putOffs: 1 })
})

it('leaves a run active that a stop has cut off and that can not go back: if its job failed, it would not be started once more', async () => {
  const works = Promise.withResolvers<void>()
  const ends = Promise.withResolvers<void>()
  const { processor, process } = processorOf('scheduled', { onCrash: 'recover' }, () => {
    works.resolve()
    return ends.promise
  })
  const processed = process({ moveToWait: refuse })
  await works.promise
  processor.activeRun('digest.1')?.abort(new ManagerStoppedError('The stop deadline has passed.'))
  ends.resolve()
  await expect(processed).rejects.toThrow(WaitingError)
})

it.each([
  ['as it is written', false],
  ['before it is written again', true],
])('a close %s leaves no timer, and says that the outcome of the run is lost', async (_title, isRefusedBefore) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const lines = new RecordingLogger()
  const errors = () => lines.lines.filter(({ level }) => level === 'error').map(({ message }) => message)
  const writes = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<number>()
  const finishRun = () => {
    writes.resolve()
    return answer.promise
  }
  const { processor, process } = processorOf('manual', {}, async () => {}, { finishRun, lines })
  const processed = process()
  await writes.promise
  const refuseWrite = () => answer.reject(new Error('Connection is closed.'))
  if (isRefusedBefore) {
    refuseWrite()
    await expect.poll(errors).toHaveLength(1)
  }
  processor.close()
  refuseWrite()
  await processed
  expect(vi.getTimerCount()).toBe(0)
  expect(errors()).toEqual([
    ...(isRefusedBefore ? ['the outcome of a run could not be written, it will be written again'] : []),
    'the outcome of a run was not written before the stop',
  ])
})
