import { setTimeout as sleep } from 'node:timers/promises'
import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  cron,
  every,
} from '@background-workers/abstractions'
import type { Ledger } from './ledger.ts'

// The schedules are so short that you see them work.

/** What all of them do: work for a moment, and write down its beginning and its end. */
abstract class LedgerWorker extends AsyncPeriodicBackgroundWorkerBase {
  protected readonly workMs: number = 50

  async doWork({ services, signal, workerName, scheduledFor }: PeriodicBackgroundWorkerContext) {
    const ledger = services.resolve<Ledger>('ledger')
    const instance = services.resolve<string>('instanceName')
    const entry = { worker: workerName, slot: scheduledFor.toISOString(), instance }
    await ledger.add({ ...entry, what: 'begins' })
    await sleep(this.workMs, undefined, { signal })
    await ledger.add({ ...entry, what: 'ends' })
  }
}

/** Runs each second. */
export class OrderSyncWorker extends LedgerWorker {
  readonly name = 'order-sync'
  readonly schedule = every('1s')
}

/** Runs each other second. */
export class DigestWorker extends LedgerWorker {
  readonly name = 'digest'
  readonly schedule = cron('*/2 * * * * *')
}

/** Takes its time, so that a kill meets it at work. */
export class StockReportWorker extends LedgerWorker {
  readonly name = 'stock-report'
  readonly schedule = every('3s')
  protected override readonly workMs = 1_500
}
