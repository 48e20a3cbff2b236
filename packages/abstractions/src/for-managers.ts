// The building blocks that managers share: what they must agree on is written here, once.
export { hasOwnStart } from './background-worker.ts'
export {
  giveLogger,
  defineWorker,
  type DefinitionRules,
  type PeriodicWorkerDefinition,
  type PlainWorkerDefinition,
  type WorkerDefinition,
} from './worker-definition.ts'
export {
  checkBy,
  checkName,
  checkPauseOptions,
  checkRunId,
  checkRunsOptions,
  checkStopOptions,
} from './call-checks.ts'
export {
  type Check,
  checkOptions,
  hasMethods,
  isBoolean,
  isNumber,
  isOneOf,
  isSlug,
  isText,
  isWhole,
  show,
} from './checks.ts'
export { MAX_TIMER_MS, setLongTimer } from './clock.ts'
export { ABORT_GRACE_MS, type StoppingWork, drain, waitFor } from './drain.ts'
export { latestDueSlot } from './due-slot.ts'
export { EventHub } from './event-hub.ts'
export { GuardedLogger, guardLogger } from './guarded-logger.ts'
export { CURED_BY_RESTART, FAILING_AFTER, healthStatus } from './health.ts'
export { HealthMonitor } from './health-monitor.ts'
export { Lifecycle } from './lifecycle.ts'
export {
  type FilledManagerOptions,
  fillManagerOptions,
  managerOptionChecks,
} from './manager-options.ts'
export { checkPolicy, fillPolicy } from './policy.ts'
export {
  Run,
  type RunAbort,
  type RunHost,
  type RunPlan,
  STUCK_AFTER_MS,
} from './run.ts'
export { describeError } from './run-record.ts'
export {
  MAX_PERIOD_MS,
  checkSchedule,
  intervalOffset,
  isSameSchedule,
} from './schedule.ts'
export { stableHash } from './stable-hash.ts'
export { RECENT_OUTCOMES, workerState } from './worker-status.ts'
export { type StarterHost, WorkerStarter } from './worker-starter.ts'
export { WorkerReports } from './worker-reports.ts'
export { type StoppableWorker, WorkerStops } from './worker-stops.ts'
export { containerOptions } from './container-options.ts'
