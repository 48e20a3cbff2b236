import { setTimeout as sleep } from 'node:timers/promises'
import { FLOORS } from '../adapters/floor.ts'
import { memoryContestant } from '../adapters/memory.ts'
import { check, until } from './check.ts'
import { type Measure, sizeOf } from './measure.ts'

const figures = [
  { key: 'cpu', title: 'CPU per run', unit: 'µs' },
  { key: 'slots', title: 'slots hit', unit: '%' },
] as const

/** What a run costs at a high rate. */
export const runsAt10Ms = runsMeasure({
  name: 'runs-10ms',
  title: 'CPU per run: 1,000 workers at 10 ms, empty work',
  contestants: [
    'default-manager',
    'default-manager, container + logger',
    'default-manager, scope + signal + logger',
    'setInterval',
    'toad-scheduler',
    '@nestjs/schedule',
    'binary heap (limit)',
  ],
  goals: [
    { contestant: 'default-manager', figure: 'cpu', beside: ['toad-scheduler'], atMost: 3 },
    // Its signal, scope and logger are made when they are used, so both are measured.
    { contestant: 'default-manager, container + logger', figure: 'cpu', beside: ['toad-scheduler'], atMost: 8 },
    {
      contestant: 'default-manager, scope + signal + logger',
      figure: 'cpu',
      beside: ['toad-scheduler'],
      atMost: 8,
    },
  ],
  full: { workers: 1_000, periodMs: 10, seconds: 3, leastSlots: 85 },
  quick: { workers: 1_000, periodMs: 10, seconds: 1.5, leastSlots: 85 },
})

/** What no run that keeps the promises can cost less than, step by step, at a rate at which a slow machine makes the scopes too. */
export const floorOfARun = runsMeasure({
  name: 'floor-of-a-run',
  title:
    'The floor of a run: what the contract promises and nothing else, called by a bare timer, 1,000 workers at 40 ms',
  contestants: [...FLOORS, 'toad-scheduler', 'default-manager', 'default-manager, scope + signal + logger'],
  goals: [],
  full: { ...runsAt10Ms.full, periodMs: 40 },
})

/** What a run costs at the usual rate, and whether none is lost. */
export const runsAt1S = runsMeasure({
  name: 'runs-1s',
  title: 'CPU per run and slots hit: 10,000 workers at 1 s, empty work',
  contestants: [
    'default-manager',
    'default-manager, cron',
    'default-manager, scope + signal + logger',
    'setInterval',
    'toad-scheduler',
    '@nestjs/schedule',
    'croner',
    'node-cron',
    'cron',
    'binary heap (limit)',
  ],
  goals: [
    { contestant: 'default-manager', figure: 'cpu', beside: ['toad-scheduler'], atMost: 2 },
    { contestant: 'default-manager', figure: 'slots', atLeast: 100 },
  ],
  // What a contestant loses is a figure of its own here.
  full: { workers: 10_000, periodMs: 1_000, seconds: 5, leastSlots: 0 },
  quick: { workers: 10_000, periodMs: 1_000, seconds: 2, leastSlots: 0 },
})

/** The same where the process wakes for each 100 workers. Peers wake less often: their workers herd. */
export const floorAt1S = runsMeasure({
  name: 'floor-at-1s',
  title: 'The floor of a run that is not in a herd: called by a bare timer, 10,000 workers spread over 1 s',
  contestants: ['floor: an awaited call', 'floor: + the calling run', 'toad-scheduler', 'default-manager'],
  goals: [],
  full: runsAt1S.full,
})

/** What it costs that runs are published, on the tracing channel and as events, while nobody listens. */
export const runsUnwatched = runsMeasure({
  name: 'runs-unwatched',
  title: 'CPU per run without a subscriber and without a dashboard, beside a build that publishes no run',
  contestants: ['default-manager', 'default-manager, publishing cut out', 'default-manager, with a subscriber'],
  goals: [
    {
      contestant: 'default-manager',
      figure: 'cpu',
      beside: ['default-manager, publishing cut out'],
      isWithinSpread: true,
    },
  ],
  // So few that a busy machine hits the slots too: what is behind does other work.
  full: { workers: 1_000, periodMs: 100, seconds: 5, leastSlots: 85 },
  quick: { workers: 1_000, periodMs: 100, seconds: 2, leastSlots: 85 },
})

function runsMeasure(parts: Omit<Measure, 'figures' | 'sample'>): Measure {
  return {
    ...parts,
    figures,
    sample: async (spec) => {
      const workers = sizeOf(spec, 'workers')
      const periodMs = sizeOf(spec, 'periodMs')
      const counts = new Uint32Array(workers)
      const jobs = Array.from({ length: workers }, (_, index) => ({
        name: `worker-${index}`,
        schedule: { everyMs: periodMs },
        work: async () => {
          counts[index] = (counts[index] as number) + 1
        },
      }))
      const opened = await memoryContestant(spec.contestant).open(jobs)
      await opened.start()
      await until('the first worker has run', () => (counts[0] as number) > 0, 20_000)
      // From the middle between two slots of the first worker, so that no herd falls on an end.
      await sleep(periodMs < 100 ? 500 : periodMs / 2)
      counts.fill(0)
      const cpuBefore = process.cpuUsage()
      const slots = Math.round((sizeOf(spec, 'seconds') * 1_000) / periodMs)
      await sleep(slots * periodMs)
      const { user, system } = process.cpuUsage(cpuBefore)
      const runs = counts.reduce((sum, count) => sum + count, 0)
      // The last slots of the time may be a little late.
      await sleep(Math.min(50, periodMs / 2))
      const hit = counts.reduce((sum, count) => sum + Math.min(count, slots), 0)
      await opened.stop()
      const hitPercent = (100 * hit) / (slots * workers)
      check(runs > 0, 'a worker runs')
      check(hitPercent >= sizeOf(spec, 'leastSlots'), `only ${hitPercent.toFixed(1)} % of the slots were hit`)
      return { cpu: (user + system) / runs, slots: hitPercent }
    },
  }
}
