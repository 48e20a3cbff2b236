import { memoryContestant } from '../adapters/memory.ts'
import type { Job } from '../adapters/memory-contestant.ts'
import { check, until } from './check.ts'
import { usedHeap } from './heap.ts'
import { type Figures, type Measure, type SampleSpec, sizeOf } from './measure.ts'

const figures = [
  { key: 'time', title: 'time', unit: 'µs' },
  { key: 'heap', title: 'heap', unit: 'B' },
] as const

/** What it takes to add and start many workers with a period. */
export const startIntervals: Measure = {
  name: 'start-intervals',
  title: 'Add and start 100,000 interval workers: per worker, besides the worker object',
  figures,
  contestants: [
    'default-manager',
    'setInterval',
    'toad-scheduler',
    '@nestjs/schedule',
    'binary heap (limit)',
    'checked add (limit)',
  ],
  goals: figures.map(({ key }) => ({
    contestant: 'default-manager',
    figure: key,
    beside: ['toad-scheduler'],
    atMost: 1,
  })),
  full: { workers: 100_000, periodMs: 5_000 },
  quick: { workers: 20_000, periodMs: 1_000 },
  sample: async (spec) => {
    const workers = sizeOf(spec, 'workers')
    const periodMs = sizeOf(spec, 'periodMs')
    const hasRun = new Uint8Array(workers)
    let left = workers
    const jobs = Array.from({ length: workers }, (_, index) => ({
      name: `worker-${index}`,
      schedule: { everyMs: periodMs },
      work: async () => {
        left -= 1 - (hasRun[index] as number)
        hasRun[index] = 1
      },
    }))
    return measureStart(spec, jobs, () => until('each worker has run', () => left === 0, 3 * periodMs + 10_000))
  },
}

/** What it takes to add and start many cron workers. */
export const startCrons = cronMeasure(
  'start-crons',
  'Add and start 10,000 cron workers with distinct expressions: per worker',
  (index) => `${index % 60} ${Math.floor(index / 60) % 24} ${1 + (Math.floor(index / 1_440) % 28)} * *`,
  [
    { contestant: 'default-manager', figure: 'time', beside: ['croner'], atMost: 1.2 },
    { contestant: 'default-manager', figure: 'heap', atMost: 2_700 },
  ],
)

/** The same where all have one expression. */
export const startSameCron = cronMeasure(
  'start-same-cron',
  'Add and start 10,000 cron workers with the same expression: per worker',
  () => '30 3 * * *',
  [
    { contestant: 'default-manager', figure: 'time', atMost: 15 },
    { contestant: 'default-manager', figure: 'heap', atMost: 1_500 },
  ],
)

function cronMeasure(
  name: string,
  title: string,
  expressionOf: (index: number) => string,
  goals: Measure['goals'],
): Measure {
  return {
    name,
    title,
    figures,
    contestants: ['default-manager', 'croner', 'node-cron', 'cron', 'toad-scheduler', '@nestjs/schedule'],
    goals,
    full: { workers: 10_000 },
    quick: { workers: 1_000 },
    sample: async (spec) => {
      const workers = sizeOf(spec, 'workers')
      let ticks = 0
      const jobs: Job[] = Array.from({ length: workers }, (_, index) => ({
        name: `worker-${index}`,
        schedule: { cron: expressionOf(index) },
        work: async () => {},
      }))
      // One of them shows that they tick.
      jobs[workers - 1] = {
        name: 'each-second',
        schedule: { cron: '* * * * * *' },
        work: async () => {
          ticks++
        },
      }
      return measureStart(spec, jobs, async (nextDueAt) => {
        await until('the worker of each second has run', () => ticks >= 2, 10_000)
        for (let index = 0; nextDueAt && index < workers - 1; index += Math.ceil(workers / 50)) {
          const [before, dueAt] = [nextOf(expressionOf(index)), await nextDueAt(index)]
          const isRight = dueAt === before || dueAt === nextOf(expressionOf(index))
          check(isRight, `"${expressionOf(index)}" is due at ${dueAt}, not ${before}`)
        }
      })
    },
  }
}

/** When `minute hour day * *` is due next in UTC, without any of the libraries. */
function nextOf(expression: string): number {
  const [minute, hour, day] = expression.split(' ') as [string, string, string]
  const at = new Date()
  at.setUTCHours(Number(hour), Number(minute), 0, 0)
  while (at.getTime() <= Date.now() || (day !== '*' && at.getUTCDate() !== Number(day))) {
    at.setUTCDate(at.getUTCDate() + 1)
  }
  return at.getTime()
}

async function measureStart(
  spec: SampleSpec,
  jobs: readonly Job[],
  checkTicks: (
    nextDueAt: ((index: number) => number | undefined | Promise<number | undefined>) | undefined,
  ) => Promise<void>,
): Promise<Figures> {
  const opened = await memoryContestant(spec.contestant).open(jobs)
  const heapBefore = usedHeap()
  const startedAt = performance.now()
  await opened.start()
  const elapsedMs = performance.now() - startedAt
  const heap = usedHeap() - heapBefore
  await checkTicks(opened.nextDueAt)
  await opened.stop()
  return { time: (elapsedMs * 1_000) / jobs.length, heap: heap / jobs.length }
}
