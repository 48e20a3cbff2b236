export { type BackgroundWorkerClass, addBackgroundWorker } from './add-background-worker.ts'
export type { ApplicationOptions } from './application-options.ts'
export type { Application, ApplicationState, ApplicationStopReport } from './application.ts'
export { BackgroundWorkersModule } from './background-workers-module.ts'
export { createApplication } from './create-application.ts'
export {
  type HealthHandler,
  type HealthHandlerOptions,
  type HealthSource,
  createHealthHandler,
} from './health-handler.ts'
export type { ApplicationInitializationContext, ApplicationShutdownContext } from './module-context.ts'
export { type ApplicationModule, defineModule } from './module.ts'
export { type RunApplicationResult, runApplication } from './run-application.ts'
export type { HealthEndpointOptions, RunApplicationOptions } from './run-options.ts'
export type { StartRetryOptions } from './start-retry.ts'
