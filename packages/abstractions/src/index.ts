export {
  BackgroundWorkerBase,
  type IBackgroundWorker,
} from './background-worker.ts'
export { type Clock, type TimerHandle, systemClock } from './clock.ts'
export {
  LATE_AFTER_MS,
  type SlotDecision,
  type SlotOwner,
  type WorkerRunState,
  decideSlot,
} from './decide-slot.ts'
export {
  DEFAULT_SLOT_CLAIM_TTL_MS,
  type IDistributedLock,
  type LockHold,
  type LockRefusal,
  type LockRequest,
  type SlotToClaim,
} from './distributed-lock.ts'
export type { Slot } from './due-slot.ts'
export {
  BackgroundWorkerError,
  type BackgroundWorkerErrorCode,
  DuplicateWorkerError,
  InvalidOptionsError,
  InvalidScheduleError,
  InvalidWorkerError,
  LeaseLostError,
  ManagerStoppedError,
  NotPeriodicError,
  RunCancelledError,
  RunTimeoutError,
  StartTimeoutError,
  StoreUnavailableError,
  UnknownWorkerError,
  WorkerBusyError,
  WorkerNotReadyError,
} from './errors.ts'
export type {
  HealthCode,
  HealthReason,
  HealthReport,
  HealthStatus,
  InstanceInfo,
} from './health.ts'
export { InProcessLock, type InProcessLockOptions } from './in-process-lock.ts'
export { type Logger, silentLogger, type WorkerLogger } from './logger.ts'
export type {
  AbandonedWork,
  BackgroundWorkerManager,
  ByOption,
  IBackgroundWorkerManager,
  ManagerState,
  PauseOptions,
  RunsOptions,
  StopOptions,
  StopReport,
} from './manager.ts'
export type { ManagerEventName, ManagerEvents } from './manager-events.ts'
export type {
  BackgroundWorkerOptions,
  ManagerOptions,
} from './manager-options.ts'
export {
  AsyncPeriodicBackgroundWorkerBase,
  type IPeriodicBackgroundWorker,
  type PeriodicBackgroundWorkerContext,
  type PeriodicWorkerParts,
  periodicWorker,
} from './periodic-worker.ts'
export type {
  FilledPolicy,
  PeriodicWorkerPolicy,
  RetryPolicy,
} from './policy.ts'
export type { RecordedError } from './recorded-error.ts'
export type {
  FinishedRunRecord,
  Reason,
  RunKind,
  RunOutcome,
  RunRecord,
} from './run-record.ts'
export {
  type CronSchedule,
  type IntervalSchedule,
  type Schedule,
  cron,
  every,
  nextDueAt,
} from './schedule.ts'
export type {
  DisposableServiceScope,
  ServiceScope,
  ServiceScopeFactory,
} from './service-scope.ts'
export { RUN_CHANNEL_NAME, type RunTrace, TRIGGER_CHANNEL_NAME, type TriggerTrace } from './tracing.ts'
export type { PauseInfo } from './pause-info.ts'
export type { ScheduleOverride } from './schedule-override.ts'
export type { WorkerState, WorkerStatus } from './worker-status.ts'
