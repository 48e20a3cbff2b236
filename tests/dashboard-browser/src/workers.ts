import {
  BackgroundWorkerBase,
  type IBackgroundWorker,
  type PeriodicWorkerPolicy,
  type Schedule,
  cron,
  periodicWorker,
} from '@background-workers/abstractions'

/** As long as a name may be. */
export const LONG_NAME =
  'a-name-that-somebody-has-given-although-it-does-not-fit-anywhere-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'

/** Ends the run of `search-index` that is active. */
export interface Gate {
  open(): void
}

/** What waits for its gate, what fails, what succeeds, and what does not even start. None has a slot for months. */
export function createWorkers(): { readonly workers: readonly IBackgroundWorker[]; readonly gate: Gate } {
  let open = () => {}
  const untilOpen = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      open = resolve
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  const workers = [
    worker('newsletter-digest', cron('0 9 1 1 *', { timeZone: 'Europe/Berlin' }), async () => {}),
    worker('nightly-backup', cron('30 2 2 1 *', { timeZone: 'America/New_York' }), async () => {}, {
      jitterMs: 60_000,
      timeoutMs: 5_400_000,
    }),
    worker('search-index', cron('0 0 3 1 *'), untilOpen),
    worker('invoice-mailer', cron('15 6 4 1 *'), async () => {
      throw Object.assign(new Error('connect ECONNREFUSED 10.0.4.17:5432'), { code: 'ECONNREFUSED' })
    }),
    worker('stock-report', cron('0 12 5 1 *'), async () => {}),
    worker('currency-rates', cron('0 6 6 1 *', { timeZone: 'Asia/Tokyo' }), async () => {}),
    worker(LONG_NAME, cron('0 0 7 1 *'), async () => {}),
    new PdfRenderer(),
  ]
  return { workers, gate: { open: () => open() } }
}

/** More of them, for a list of several pages. */
export function createMany(count: number): readonly IBackgroundWorker[] {
  return Array.from({ length: count }, (_, index) =>
    worker(`tenant-${String(index + 1).padStart(3, '0')}`, cron('0 0 8 1 *'), async () => {}),
  )
}

function worker(
  name: string,
  schedule: Schedule,
  work: (signal: AbortSignal) => Promise<void>,
  policy: PeriodicWorkerPolicy = {},
): IBackgroundWorker {
  return periodicWorker({ name, schedule, policy, doWork: ({ signal }) => work(signal) })
}

class PdfRenderer extends BackgroundWorkerBase {
  readonly name = 'pdf-renderer'

  override async start(): Promise<void> {
    throw new Error('no fonts are installed')
  }
}
