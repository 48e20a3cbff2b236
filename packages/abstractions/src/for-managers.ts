// The building blocks that managers share: what they must agree on is written here, once.
// What they need of the contract at run time is here too: they load one entry, not two.
export {
  defineWorker,
  type DefinitionRules,
  effectiveSchedule,
  isPeriodic,
  type Periodic,
  type PeriodicWorkerDefinition,
  type PlainWorkerDefinition,
  type WorkerDefinition,
} from './worker-definition.ts'
export { checkCall, checkCancel, checkName, checkStopOptions } from './call-checks.ts'
export {
  type Check,
  checkOptions,
  hasMethods,
  isAnything,
  isBoolean,
  isFunction,
  isNumber,
  isOneOf,
  isPathPrefix,
  isSlug,
  isText,
  isWhole,
  show,
} from './checks.ts'
export { MAX_TIMER_MS, MAX_WAIT_MS, type WallTimer, setLongTimer, setWallTimer, systemClock } from './clock.ts'
export { decideSlot, nonRunOf, startWindow } from './decide-slot.ts'
export { ABORT_GRACE_MS, type StoppingWork, drain } from './drain.ts'
export { latestDueSlot } from './due-slot.ts'
export { MAX_DURATION_MS } from './duration.ts'
export {
  InvalidOptionsError,
  LeaseLostError,
  ManagerStoppedError,
  NotPeriodicError,
  RunCancelledError,
  StartTimeoutError,
  StoreUnavailableError,
  UnknownWorkerError,
  WorkerBusyError,
  WorkerNotReadyError,
} from './errors.ts'
export { EventHub } from './event-hub.ts'
export { SafeLogger, safeLogger } from './safe-logger.ts'
export { CURED_BY_RESTART, FAILING_AFTER, FINE_AFTER_MS, failingReason, healthReport, healthStatus } from './health.ts'
export { type Filled, type Given, givenOptions } from './given-options.ts'
export { HealthMonitor } from './health-monitor.ts'
export { Lifecycle } from './lifecycle.ts'
export { LoopWatch } from './loop-watch.ts'
export {
  type FilledManagerOptions,
  fillManagerOptions,
  managerOptionChecks,
} from './manager-options.ts'
export { type ManagerParts, createManagerParts } from './manager-parts.ts'
export { pauseInfo } from './pause-info.ts'
export { checkPolicy, fillPolicy } from './policy.ts'
export {
  Run,
  type RunAbort,
  type RunHost,
  type RunPlan,
  STUCK_AFTER_MS,
} from './run.ts'
export { isSlotRunId, manualRunId, slotRunId, startRunId, workerOfRunId } from './run-id.ts'
export { describeError } from './recorded-error.ts'
export {
  type StartedRun,
  isSlotRun,
  cancelledBeforeStart,
  startedRecord,
  type UndecidedRun,
  unstartedRecord,
} from './run-record.ts'
export { checkNewSchedule, scheduleOverride } from './schedule-override.ts'
export {
  checkSchedule,
  intervalOffset,
  isSameSchedule,
  nextDueAt,
} from './schedule.ts'
export { stableHash } from './stable-hash.ts'
export { StoreOutage } from './store-outage.ts'
export { causeOfTrigger, readCause } from './tracing.ts'
export { waitFor, waitForAnswer } from './wait-for.ts'
export { type Finding, WATCHED_CODES, findWrong, lostReason } from './watchdog.ts'
export { OVERDUE_AFTER_MS, RECENT_OUTCOMES, type WorkerFacts, workerStatus } from './worker-status.ts'
export { type EntryHost, type WorkerEntry, admitWorker } from './worker-entry.ts'
export { WorkerReports } from './worker-reports.ts'
export { WorkerStarts } from './worker-starts.ts'
export { type StoppableWorker, WorkerStops, stopReport } from './worker-stops.ts'
export { containerOptions, registeredOptions } from './container-options.ts'
