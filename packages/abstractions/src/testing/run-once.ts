import { type IBackgroundWorker, giveLogger } from '../background-worker.ts'
import { type Clock, systemClock } from '../clock.ts'
import { type Check, checkOptions, hasMethods, isOneOf, isWhole, show } from '../checks.ts'
import { NotPeriodicError, RunCancelledError } from '../errors.ts'
import { safeLogger } from '../safe-logger.ts'
import type { Logger } from '../logger.ts'
import type { IPeriodicBackgroundWorker } from '../periodic-worker.ts'
import { fillPolicy } from '../policy.ts'
import { Run } from '../run.ts'
import { slotRunId } from '../run-id.ts'
import type { FinishedRunRecord, RunKind } from '../run-record.ts'
import type { ServiceScopeFactory } from '../service-scope.ts'
import { defineWorker } from '../worker-definition.ts'

/** What `runOnce` takes. */
export interface RunOnceOptions {
  /** What `context.services` resolves: a map of names to values, or a scope factory (an awilix container fits). */
  readonly services?: Readonly<Record<string, unknown>> | ServiceScopeFactory | undefined
  /** @default a logger that writes nothing */
  readonly logger?: Logger | undefined
  /** @default 'scheduled' */
  readonly kind?: RunKind | undefined
  /** @default now */
  readonly scheduledFor?: Date | undefined
  /** @default 0 */
  readonly missedSlots?: number | undefined
  /** What the context says of the last run that succeeded. @default none */
  readonly lastSucceededAt?: Date | undefined
  /** Aborting it cancels the run. */
  readonly signal?: AbortSignal | undefined
  /** @default the system's clock */
  readonly clock?: Clock | undefined
}

/**
 * Runs a periodic worker once, as a manager would, with its scope, timeout and retries, and gives the record. No
 * manager and no schedule is involved: the worker's `start` and `stop` are not called, and every retry is made, also one
 * that a manager would leave out because the next slot comes first. A failure is in the record (`outcome`, `error`), it
 * is not thrown.
 *
 * @throws InvalidWorkerError, InvalidScheduleError, InvalidOptionsError as `add` would; NotPeriodicError.
 */
export async function runOnce(worker: IBackgroundWorker, options: RunOnceOptions = {}): Promise<FinishedRunRecord> {
  checkOptions('runOnce', options, {
    services: isServices,
    logger: hasMethods('debug', 'info', 'warn', 'error'),
    kind: isOneOf('scheduled', 'catch-up', 'start', 'manual'),
    scheduledFor: isDate,
    missedSlots: isWhole(0, Number.MAX_SAFE_INTEGER),
    lastSucceededAt: isDate,
    signal: (value) => (value instanceof AbortSignal ? undefined : 'must be an AbortSignal.'),
    clock: hasMethods('now', 'monotonicNow', 'setTimer', 'clearTimer'),
  })
  const definition = defineWorker(worker, { minPeriodMs: 1, defaultPolicy: fillPolicy({}), call: 'runOnce' })
  if (definition.kind === 'plain') throw new NotPeriodicError(definition.name, 'runOnce')
  const { clock = systemClock, signal, kind = 'scheduled' } = options
  const logger = safeLogger(options.logger)
  giveLogger(worker, (name) => logger.child({ worker: name }))
  const scheduledForMs = options.scheduledFor?.getTime() ?? clock.now()
  const run = new Run(
    {
      worker: worker as IPeriodicBackgroundWorker,
      policy: definition.policy,
      runId: slotRunId(definition.name, { dueAt: scheduledForMs }),
      kind,
      scheduledForMs,
      lateByMs: Math.max(0, clock.now() - scheduledForMs),
      missedSlots: options.missedSlots ?? 0,
      // No slot follows: how many attempts there are must not depend on when a test happens to run.
      nextDueAtMs: undefined,
      lastSucceededAtMs: options.lastSucceededAt?.getTime(),
      by: undefined,
    },
    {
      clock,
      instanceId: 'run-once',
      scopeFactory: scopeFactoryOf(options.services),
      logger,
      runFinished() {},
      runRetrying() {},
      runSettled() {},
      runStuck() {},
    },
  )
  const cancel = () => run.abort(new RunCancelledError(definition.name, run.plan.runId))
  signal?.addEventListener('abort', cancel)
  run.start()
  if (signal?.aborted) cancel()
  await run.drained
  signal?.removeEventListener('abort', cancel)
  return run.finishedRecord
}

const isServices: Check = (value) =>
  (typeof value === 'object' && value !== null && !Array.isArray(value)) ||
  hasMethods('createScope')(value) === undefined
    ? undefined
    : `must be an object of names and values, or a scope factory, got ${show(value)}.`

const isDate: Check = (value) =>
  value instanceof Date && !Number.isNaN(value.getTime()) ? undefined : 'must be a Date with a valid time.'

function scopeFactoryOf(services: RunOnceOptions['services']): ServiceScopeFactory | undefined {
  if (services === undefined) return undefined
  if (typeof services.createScope === 'function') return services as ServiceScopeFactory
  const values = services as Readonly<Record<string, unknown>>
  return {
    createScope: () => ({
      resolve(name) {
        if (!Object.hasOwn(values, name))
          throw new Error(
            `runOnce was given no service "${name}". Known are: ${Object.keys(values).join(', ') || 'none'}.`,
          )
        return values[name]
      },
      dispose() {},
    }),
  }
}
