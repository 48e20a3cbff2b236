import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { show } from './goals.ts'
import { growthOf } from './growth.ts'
import { table } from './report/table.ts'
import type { SoakFigures, SoakSpec } from './soak-process.ts'

/** So often figures are taken. */
const SAMPLES = 30

/** What must stay flat may grow by so much from the second quarter of the time to the last. */
const MOST_GROWTH = 0.05

const titles: Readonly<Record<keyof SoakFigures, string>> = {
  minute: 'minute',
  runs: 'runs',
  slots: 'slots hit, %',
  heapMb: 'heap, MB',
  handles: 'handles',
  records: 'records of 20 workers',
  redisMb: 'Redis, MB',
  redisKeys: 'Redis keys',
}

/** What may not grow; runs do. */
const flat = ['heapMb', 'handles', 'records', 'redisMb', 'redisKeys'] as const

/** 1,000 workers on each manager, both at once, each in a process of its own; gives the figures as Markdown. */
export async function runSoak(minutes: number, redisUrl: string): Promise<string> {
  const specs: SoakSpec[] = [
    { manager: 'default-manager', workers: 1_000, periodMs: 1_000, keepRuns: 50, minutes, samples: SAMPLES, redisUrl },
    { manager: 'bullmq-manager', workers: 1_000, periodMs: 10_000, keepRuns: 10, minutes, samples: SAMPLES, redisUrl },
  ]
  const reports = await Promise.all(specs.map(async (spec) => report(spec, await soak(spec))))
  return reports.join('\n\n')
}

async function soak(spec: SoakSpec): Promise<SoakFigures[]> {
  const args = ['--expose-gc', '--no-warnings', join(import.meta.dirname, 'soak-process.ts'), JSON.stringify(spec)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const figures: SoakFigures[] = []
  for await (const line of createInterface(child.stdout)) {
    console.info(`${spec.manager}: ${line}`)
    figures.push(JSON.parse(line))
  }
  const [code] = await exited
  if (code !== 0) throw new Error(`The soak of the ${spec.manager} ended with exit code ${code}.`)
  return figures
}

function report({ manager, workers, periodMs, keepRuns }: SoakSpec, figures: readonly SoakFigures[]): string {
  const keys = Object.keys(titles) as (keyof SoakFigures)[]
  const used = keys.filter((key) => figures.some((sample) => sample[key] !== undefined))
  const value = (sample: SoakFigures, key: keyof SoakFigures) => sample[key] ?? Number.NaN
  const shown = figures.filter((_, index) => (index + 1) % 5 === 0 || index === 0)
  const verdicts = flat
    .filter((key) => used.includes(key))
    .map((key) => {
      const growth = growthOf(figures.map((sample) => value(sample, key)))
      const isFlat = growth <= MOST_GROWTH
      return [titles[key], `${show(growth * 100)} %`, isFlat ? 'flat' : 'grows']
    })
  return [
    `### ${manager}: ${workers.toLocaleString('en')} workers, each every ${periodMs / 1_000} s, ${keepRuns} records kept of each`,
    table(
      used.map((key) => titles[key]),
      shown.map((sample) => used.map((key) => show(value(sample, key)))),
    ),
    table(['from the second quarter to the last', 'growth', ''], verdicts),
  ].join('\n\n')
}
