import { setTimeout as sleep } from 'node:timers/promises'
import { redisContestant } from '../adapters/redis.ts'
import { median, percentile } from '../statistics.ts'
import { check, until } from './check.ts'
import { type Measure, type SampleSpec, sizeOf } from './measure.ts'
import { RedisProbe } from './redis-probe.ts'

/** A run as it happened. Times in ms since the epoch. */
interface Run {
  readonly slot: number
  readonly startedAt: number
}

const contestants = ['bullmq-manager', 'bullmq', 'bare two-stage (limit)']

/** What Redis has to do for a run. */
export const redisCommands: Measure = {
  name: 'redis-commands',
  title: 'Redis commands per run, those inside scripts too: 200 workers at 1 s',
  figures: [{ key: 'commands', title: 'commands per run', unit: '' }],
  contestants,
  goals: [{ contestant: 'bullmq-manager', figure: 'commands', beside: ['bullmq'], atMost: 2.3 }],
  needsRedis: true,
  full: { workers: 200, seconds: 10 },
  quick: { workers: 200, seconds: 3 },
  sample: async (spec) => {
    const probe = await RedisProbe.open(spec.redisUrl as string)
    const { runs, slots, ms, stop } = await startSpread(spec)
    const [runsBefore, before] = [runs.length, await probe.commands()]
    await sleep(ms)
    const [runsAfter, after] = [runs.length, await probe.commands()]
    await stop()
    probe.close()
    const count = runsAfter - runsBefore
    check(count >= 0.95 * slots, `${count} runs came to ${slots} slots`)
    return { commands: (after - before) / count }
  },
}

/** How many runs a process carries out when more are due than it can. */
export const redisSaturated: Measure = {
  name: 'redis-saturated',
  title: 'Saturated runs/s, concurrency 50: 20,000 workers at 1 s',
  figures: [{ key: 'rate', title: 'runs', unit: '/s' }],
  contestants: [...contestants, 'two-stage with records (limit)', 'two-stage with our commands (limit)'],
  goals: [{ contestant: 'bullmq-manager', figure: 'rate', beside: ['bullmq'], atLeast: 0.4 }],
  needsRedis: true,
  full: { workers: 20_000, seconds: 10 },
  quick: { workers: 16_000, seconds: 3 },
  sample: async (spec) => {
    const workers = sizeOf(spec, 'workers')
    const seconds = sizeOf(spec, 'seconds')
    const { runs, stop } = await startWorkers(spec, workers, 1_000, (index) => 1 + (index % 998))
    await until('a first run has come', () => runs.length > 0, 10_000)
    await sleep(2_000)
    const before = runs.length
    const startedAt = performance.now()
    await sleep(seconds * 1_000)
    const rate = ((runs.length - before) * 1_000) / (performance.now() - startedAt)
    await stop()
    check(rate < 0.95 * workers, 'more is due than can be run')
    return { rate }
  },
}

/** How late runs start at an easy rate. */
export const redisLateness: Measure = {
  name: 'redis-lateness',
  title: 'Lateness: 100 workers at 1 s, spread over the second',
  figures: [
    { key: 'p50', title: 'p50', unit: 'ms' },
    { key: 'p99', title: 'p99', unit: 'ms' },
  ],
  contestants,
  goals: [
    { contestant: 'bullmq-manager', figure: 'p50', beside: ['bullmq'], atMost: 1, plus: 10 },
    { contestant: 'bullmq-manager', figure: 'p99', beside: ['bullmq'], atMost: 1, plus: 10 },
  ],
  needsRedis: true,
  full: { workers: 100, seconds: 10 },
  quick: { workers: 100, seconds: 4 },
  sample: async (spec) => {
    const { runs, slots, ms, stop } = await startSpread(spec)
    const from = Date.now()
    await sleep(ms)
    await stop()
    const lateness = latenessOf(runs.filter(({ slot }) => slot >= from))
    check(lateness.length >= 0.9 * slots, `${lateness.length} runs came to ${slots} slots`)
    return { p50: percentile(lateness, 50), p99: percentile(lateness, 99) }
  },
}

/** How late runs start that are all due at once. */
export const redisHerd: Measure = {
  name: 'redis-herd',
  title: 'Lateness: 1,000 workers due in one millisecond',
  figures: [
    { key: 'p50', title: 'p50', unit: 'ms' },
    { key: 'max', title: 'max', unit: 'ms' },
  ],
  contestants,
  goals: [
    { contestant: 'bullmq-manager', figure: 'p50', beside: ['bullmq'], atMost: 3 },
    { contestant: 'bullmq-manager', figure: 'max', beside: ['bullmq'], atMost: 3 },
  ],
  needsRedis: true,
  full: { workers: 1_000, waves: 2, periodMs: 5_000 },
  quick: { workers: 1_000, waves: 1, periodMs: 4_000 },
  sample: async (spec) => {
    const workers = sizeOf(spec, 'workers')
    const waves = sizeOf(spec, 'waves')
    const { runs, stop } = await startWorkers(spec, workers, sizeOf(spec, 'periodMs'), () => 1_234)
    const from = Date.now() + 500
    const counted = () => runs.filter(({ slot }) => slot >= from)
    await until('all waves have come', () => counted().length >= waves * workers, 60_000)
    await stop()
    const bySlot = Object.groupBy(counted(), ({ slot }) => slot)
    const complete = Object.values(bySlot).filter((wave) => wave?.length === workers) as Run[][]
    check(complete.length >= waves, 'each worker runs in each wave')
    return {
      p50: median(complete.map((wave) => median(latenessOf(wave)))),
      max: median(complete.map((wave) => Math.max(...latenessOf(wave)))),
    }
  },
}

/** Workers at 1 s, spread over the second, that have run for a while; and how many slots there are in how many ms. */
async function startSpread(spec: SampleSpec) {
  const workers = sizeOf(spec, 'workers')
  const seconds = sizeOf(spec, 'seconds')
  const started = await startWorkers(spec, workers, 1_000, (index) => 1 + Math.floor((index * 998) / workers))
  await sleep(2_000)
  return { ...started, slots: workers * seconds, ms: seconds * 1_000 }
}

async function startWorkers(
  spec: SampleSpec,
  workers: number,
  everyMs: number,
  offsetOf: (index: number) => number,
): Promise<{ readonly runs: readonly Run[]; readonly stop: () => Promise<void> }> {
  const runs: Run[] = []
  const lastSlots = new Map<string, number>()
  const twice: string[] = []
  const work = async (name: string, slot: number) => {
    runs.push({ slot, startedAt: Date.now() })
    if (slot <= (lastSlots.get(name) ?? 0)) twice.push(`${name} at ${slot}`)
    lastSlots.set(name, slot)
  }
  const jobs = Array.from({ length: workers }, (_, index) => ({
    name: `worker-${index}`,
    schedule: { everyMs, offsetMs: offsetOf(index) },
  }))
  const opened = await redisContestant(spec.contestant).open(jobs, { url: spec.redisUrl as string, work })
  await opened.start()
  return {
    runs,
    stop: async () => {
      await opened.stop()
      check(twice.length === 0, `no slot runs twice: ${twice.slice(0, 3).join(', ')}`)
    },
  }
}

function latenessOf(runs: readonly Run[]): number[] {
  return runs.map(({ slot, startedAt }) => startedAt - slot)
}
