import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  type PeriodicWorkerPolicy,
  cron,
  every,
} from '@background-workers/abstractions'
import type { Ledger } from './ledger.ts'

// The schedules are so short that you see them work.

/** What all of them do: add a line to the ledger. */
abstract class LedgerWorker extends AsyncPeriodicBackgroundWorkerBase {
  async doWork(context: PeriodicBackgroundWorkerContext) {
    const { services, logger, workerName, kind, scheduledFor, missedSlots } = context
    const instance = services.resolve<string>('instanceName')
    const slot = scheduledFor.toISOString()
    await services.resolve<Ledger>('ledger').add({ worker: workerName, slot, kind, missedSlots, instance })
    logger.info({ kind, missedSlots }, 'line added to the ledger')
  }
}

/** Runs each second; after a down time once, however many slots there were. */
export class OrderSyncWorker extends LedgerWorker {
  readonly name = 'order-sync'
  readonly schedule = every('1s')
  // By default a slot may start late by half its period, which is short here.
  override readonly policy: PeriodicWorkerPolicy = { catchUpWindowMs: 60_000 }
}

/** The web process pauses it in the story. */
export class DigestWorker extends LedgerWorker {
  readonly name = 'digest'
  readonly schedule = cron('*/2 * * * * *')
}

/** The web process gives it another schedule in the story. */
export class HeartbeatWorker extends LedgerWorker {
  readonly name = 'heartbeat'
  readonly schedule = every('2s')
}

/** A report that is late is better than none: a slot that nobody could run is caught up. */
export class StockReportWorker extends LedgerWorker {
  readonly name = 'stock-report'
  readonly schedule = cron('*/10 * * * * *')
  override readonly policy: PeriodicWorkerPolicy = { misfire: 'run-once', catchUpWindowMs: 60_000 }
}

/** An alert that is late helps nobody: a slot that nobody could run is recorded as missed. */
export class PriceAlertWorker extends LedgerWorker {
  readonly name = 'price-alert'
  readonly schedule = cron('*/10 * * * * *')
  override readonly policy: PeriodicWorkerPolicy = { misfire: 'skip' }
}
