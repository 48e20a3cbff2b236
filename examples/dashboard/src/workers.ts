import { setTimeout as sleep } from 'node:timers/promises'
import {
  BackgroundWorkerBase,
  type IBackgroundWorker,
  type PeriodicWorkerPolicy,
  type Schedule,
  cron,
  every,
  periodicWorker,
} from '@background-workers/abstractions'

type Work = (signal: AbortSignal) => Promise<void>

/** A dozen and more workers of a shop, most of them with a character. */
export function createWorkers(): IBackgroundWorker[] {
  return [
    worker('order-sync', every('5s'), takes(80, 400)),
    worker('price-feed', every('3s'), takes(20, 90)),
    worker('session-cleaner', every('20s'), takes(5, 30)),
    worker('search-index', every('15s'), takes(3_000, 7_000)),
    worker('currency-rates', every('1h'), takes(100, 300)),
    worker('stock-report', every('10m'), takes(500, 900)),
    // Takes longer than its period, so every other slot meets a run that is active.
    worker('thumbnail-maker', every('4s'), takes(4_500, 5_500)),
    worker('partner-import', every('30s'), takes(18_000, 26_000)),
    worker('newsletter-digest', cron('0 9 * * MON-FRI', { timeZone: 'Europe/Berlin' }), takes(400, 900)),
    worker('nightly-backup', cron('30 2 * * *', { timeZone: 'America/New_York' }), takes(900, 1_500), {
      jitterMs: 600_000,
    }),
    worker('invoice-mailer', every('10s'), sometimesFails(0.6, 'the mail server closed the connection'), {
      retry: { attempts: 3, backoffMs: 1_500 },
    }),
    worker('review-moderation', every('6s'), sometimesFails(0.2, 'the model answered with 503')),
    worker('fraud-check', every('7s'), fails('connect ECONNREFUSED 10.0.4.17:5432'), { runOnStart: true }),
    // Takes no notice of its signal: half a minute after its timeout it is stuck.
    worker('legacy-export', every('1h'), () => new Promise(() => {}), { timeoutMs: 3_000, runOnStart: true }),
    worker('video-transcoder', every('1m'), takes(1_000, 4_000), { queue: 'gpu' }),
    new CacheWarmer(),
    new PdfRenderer(),
  ]
}

/** A worker that an older release had, and this one has no more. */
export function createFormerWorker(): IBackgroundWorker {
  return worker('loyalty-points', every('5s'), takes(50, 90))
}

/** Starts with the application, and has no schedule. */
class CacheWarmer extends BackgroundWorkerBase {
  readonly name = 'cache-warmer'
}

class PdfRenderer extends BackgroundWorkerBase {
  readonly name = 'pdf-renderer'

  override async start(): Promise<void> {
    throw new Error('no fonts are installed')
  }
}

function worker(name: string, schedule: Schedule, work: Work, policy: PeriodicWorkerPolicy = {}): IBackgroundWorker {
  return periodicWorker({ name, schedule, policy, doWork: ({ signal }) => work(signal) })
}

function takes(leastMs: number, mostMs: number): Work {
  return (signal) => sleep(leastMs + Math.random() * (mostMs - leastMs), undefined, { signal })
}

function fails(message: string): Work {
  return async (signal) => {
    await takes(20, 200)(signal)
    throw new Error(message)
  }
}

function sometimesFails(share: number, message: string): Work {
  return (signal) => (Math.random() < share ? fails(message)(signal) : takes(100, 500)(signal))
}
