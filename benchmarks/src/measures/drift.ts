import { setTimeout as sleep } from 'node:timers/promises'
import { memoryContestant } from '../adapters/memory.ts'
import { median, percentile } from '../statistics.ts'
import { check } from './check.ts'
import { type Measure, sizeOf } from './measure.ts'

const PERIOD_MS = 100
const WORKERS = 20

/** Whether slots move away from where they belong. */
export const driftIdle = driftMeasure('drift-idle', 'Drift and lateness at 100 ms, idle', 0)

/** The same while the event loop is blocked again and again. */
export const driftBusy = driftMeasure(
  'drift-busy',
  'Drift and lateness at 100 ms, while the loop is blocked 30 ms of each 100',
  30,
)

function driftMeasure(name: string, title: string, blockMs: number): Measure {
  return {
    name,
    title,
    figures: [
      { key: 'drift', title: 'drift', unit: 'ms' },
      { key: 'p99', title: 'p99 lateness', unit: 'ms' },
    ],
    contestants: ['default-manager', 'setInterval', 'toad-scheduler', '@nestjs/schedule', 'binary heap (limit)'],
    goals: [
      // None accumulates: what is measured is the noise of timers, and the rest of a block.
      { contestant: 'default-manager', figure: 'drift', atMost: 2 },
      { contestant: 'default-manager', figure: 'p99', beside: ['setInterval'], atMost: 1 },
    ],
    full: { seconds: 10 },
    quick: { seconds: 1.5 },
    sample: async (spec) => {
      const seconds = sizeOf(spec, 'seconds')
      const times = Array.from({ length: WORKERS }, (): number[] => [])
      const jobs = times.map((own, index) => ({
        name: `worker-${index}`,
        schedule: { everyMs: PERIOD_MS },
        work: async () => {
          own.push(Date.now())
        },
      }))
      const opened = await memoryContestant(spec.contestant).open(jobs)
      await opened.start()
      const startedAt = Date.now()
      const stopBlocking = blockEachPeriod(blockMs)
      // Nest answers this for crons only.
      const isOurs = spec.contestant.startsWith('default-manager')
      const firstDueAt = await Promise.all(
        jobs.map(async (_, index) => (isOurs ? await opened.nextDueAt?.(index) : undefined) ?? startedAt + PERIOD_MS),
      )
      await sleep(seconds * 1_000)
      stopBlocking()
      await opened.stop()

      const ticks = (seconds * 1_000) / PERIOD_MS
      const lateness = times.map((own, index) =>
        own.map((time, tick) => time - (firstDueAt[index] as number) - tick * PERIOD_MS),
      )
      check(
        lateness.every((own) => own.length >= 0.7 * ticks),
        'each worker runs at its slots',
      )
      const ends = Math.max(5, ticks / 10)
      const atStart = lateness.flatMap((own) => own.slice(0, ends))
      const atEnd = lateness.flatMap((own) => own.slice(-ends))
      return { drift: median(atEnd) - median(atStart), p99: percentile(lateness.flat(), 99) }
    },
  }
}

/** Blocks the event loop at changing places of each period. */
function blockEachPeriod(ms: number): () => void {
  if (ms === 0) return () => {}
  let timer: NodeJS.Timeout
  let blocks = 0
  const block = () => {
    const endsAt = performance.now() + ms
    while (performance.now() < endsAt);
    // 40 to 100 ms, in an order that has nothing to do with the period.
    timer = setTimeout(block, 40 + ((++blocks * 37) % 61))
  }
  timer = setTimeout(block, 70)
  return () => clearTimeout(timer)
}
