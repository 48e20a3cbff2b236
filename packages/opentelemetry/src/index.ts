export { type BackgroundWorkersInstrumentation, instrumentBackgroundWorkers } from './instrument-background-workers.ts'
export type { InstrumentationOptions } from './options.ts'
