import { setTimeout as sleep } from 'node:timers/promises'
import { every, periodicWorker } from '@background-workers/abstractions'
import { trace } from '@opentelemetry/api'

/** Its two steps are spans of their own. What you instrument already (HTTP, a database) shows up in the same way. */
export const digestSender = periodicWorker({
  name: 'digest-sender',
  schedule: every('1s'),
  async doWork({ signal }) {
    await inSpan('render digest', () => sleep(20, undefined, { signal }))
    await inSpan('send digest', () => sleep(30, undefined, { signal }))
  },
})

/** Its first attempt fails, always. */
export const priceImporter = periodicWorker({
  name: 'price-importer',
  schedule: every('1s'),
  policy: { retry: { attempts: 2, backoffMs: 50 } },
  async doWork({ attempt }) {
    if (attempt === 1) throw new Error('the supplier does not answer')
  },
})

/** It takes longer than its period, so slots are skipped. */
export const reportBuilder = periodicWorker({
  name: 'report-builder',
  schedule: every('1s'),
  doWork: async ({ signal }) => sleep(1_500, undefined, { signal }),
})

/** It never succeeds. */
export const brokenSync = periodicWorker({
  name: 'broken-sync',
  schedule: every('1s'),
  async doWork() {
    throw new TypeError('the table has no column "email"')
  },
})

async function inSpan<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  return trace.getTracer('example-telemetry').startActiveSpan(name, (span) => work().finally(() => span.end()))
}
