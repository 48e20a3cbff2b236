import type { IBackgroundWorkerManager } from '../manager.ts'
import type { FinishedRunRecord, RunOutcome, RunRecord } from '../run-record.ts'
import { checkName } from '../call-checks.ts'
import { checkOptions, isOneOf, isText, isWhole } from '../checks.ts'

/** What `waitForRun` takes. */
export interface WaitForRunOptions {
  /** Wait for this run. @default any run of the worker */
  readonly runId?: string | undefined
  /** Wait for a run that ends so. @default any outcome */
  readonly outcome?: RunOutcome | undefined
  /** In ms. @default 5_000 */
  readonly timeoutMs?: number | undefined
}

/**
 * Waits until a run of `worker` has its outcome and gives its record. A run that has finished already counts, so
 * nothing is lost between `trigger` and this call; the newest is given. Works with every manager.
 *
 * @throws InvalidOptionsError; Error when there is none within `timeoutMs`.
 */
export async function waitForRun(
  manager: IBackgroundWorkerManager,
  worker: string,
  options: WaitForRunOptions = {},
): Promise<FinishedRunRecord> {
  checkName('waitForRun', worker)
  checkOptions('waitForRun', options, {
    runId: isText,
    outcome: isOneOf('succeeded', 'failed', 'aborted', 'skipped', 'missed', 'lost'),
    timeoutMs: isWhole(1, 2 ** 31 - 1, 'ms'),
  })
  const { runId, outcome, timeoutMs = 5_000 } = options
  const fits = (record: RunRecord): record is FinishedRunRecord =>
    record.outcome !== undefined &&
    record.worker === worker &&
    (runId === undefined || record.runId === runId) &&
    (outcome === undefined || record.outcome === outcome)
  let stopListening = () => {}
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<FinishedRunRecord>((resolve, reject) => {
      const look = (record: RunRecord) => {
        if (fits(record)) resolve(record)
      }
      const stops = [manager.on('run-finished', look), manager.on('run-skipped', look)]
      stopListening = () => {
        for (const stop of stops) stop()
      }
      // Runs of other instances give no event here, so the records are read again now and then.
      const readRecords = () => {
        manager.runs(worker).then((records) => {
          const record = records.find(fits)
          if (record) resolve(record)
        }, reject)
      }
      readRecords()
      const endsAt = realNow() + timeoutMs
      const check = () => {
        if (realNow() >= endsAt) {
          const wanted = [runId && `"${runId}"`, outcome && `with outcome ${outcome}`].filter(Boolean).join(' ')
          reject(
            new Error(
              `waitForRun: worker "${worker}" had no finished run ${wanted} within ${timeoutMs} ms.`.replace('  ', ' '),
            ),
          )
          return
        }
        readRecords()
        timer = setTimeout(check, Math.min(250, timeoutMs))
      }
      timer = setTimeout(check, Math.min(250, timeoutMs))
    })
  } finally {
    stopListening()
    clearTimeout(timer)
  }
}

// Kept from the start: a test's fake timers must not hold the time limit up.
const { setTimeout, clearTimeout } = globalThis
const realNow = performance.now.bind(performance)
