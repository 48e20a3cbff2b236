// Whoever writes a manager runs a suite like this, with the test runner of Node for example.
import { describe, it } from 'node:test'
import { manualClockContract } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'

manualClockContract({
  runner: { describe, it },
  createManager: (options) => new DefaultBackgroundWorkerManager(options),
})
