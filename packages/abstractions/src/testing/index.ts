export { ManualClock } from './manual-clock.ts'
export { type LogLine, RecordingLogger } from './recording-logger.ts'
export { type RunOnceOptions, runOnce } from './run-once.ts'
export { type WaitForRunOptions, waitForRun } from './wait-for-run.ts'
