import { EventHub } from './event-hub.ts'
import { HealthMonitor } from './health-monitor.ts'
import { Lifecycle } from './lifecycle.ts'
import type { FilledManagerOptions } from './manager-options.ts'
import { type SafeLogger, safeLogger } from './safe-logger.ts'
import { WorkerReports } from './worker-reports.ts'

/** What every manager is made of, and shares with its own parts. */
export interface ManagerParts<Options extends FilledManagerOptions> {
  readonly options: Options
  /** Random: each manager is an instance of its own, also where a process has several. */
  readonly instanceId: string
  readonly lifecycle: Lifecycle
  readonly logger: SafeLogger
  /** One for all workers: 100,000 of them cost no 100,000 closures. */
  readonly createWorkerLogger: (worker: string) => SafeLogger
  readonly events: EventHub
  readonly health: HealthMonitor
  readonly reports: WorkerReports
}

/** Makes the parts of a manager. */
export function createManagerParts<Options extends FilledManagerOptions>(options: Options): ManagerParts<Options> {
  // The global one: importing node:crypto takes a third of the time that importing the default manager takes.
  const instanceId = crypto.randomUUID()
  const logger = safeLogger(options.logger)
  const events = new EventHub(logger)
  const health = new HealthMonitor(events)
  return {
    options,
    instanceId,
    lifecycle: new Lifecycle({ options, instanceId }),
    logger,
    createWorkerLogger: (worker) => logger.child({ worker }),
    events,
    health,
    reports: new WorkerReports(logger, events, health),
  }
}
