import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { INSTALLED } from '../installed.ts'
import type { Goal, Measure } from './measure.ts'

/** What a contestant's users import. */
const imports: Readonly<Record<string, readonly string[]>> = {
  'default-manager': ['@background-workers/default-manager'],
  'bullmq-manager': ['@background-workers/bullmq-manager'],
  '@nestjs/schedule': ['reflect-metadata', '@nestjs/core', '@nestjs/schedule'],
  bullmq: ['bullmq', 'ioredis'],
}

const BENCHMARKS = join(import.meta.dirname, '../..')

/** What loading a manager costs; ours compiled, as it is installed. */
export const importDefault = importMeasure(
  'import-default',
  'Import in a fresh process, in memory',
  ['default-manager', 'croner', 'toad-scheduler', 'cron', 'node-cron', '@nestjs/schedule'],
  { contestant: 'default-manager', figure: 'time', atMost: 10 },
)

/** The same for Redis. */
export const importBullMq = importMeasure(
  'import-bullmq',
  'Import in a fresh process, on Redis',
  ['bullmq-manager', 'bullmq'],
  { contestant: 'bullmq-manager', figure: 'time', beside: ['bullmq'], atMost: 1.05 },
)

function importMeasure(name: string, title: string, contestants: readonly string[], goal: Goal): Measure {
  return {
    name,
    title,
    figures: [{ key: 'time', title: 'time', unit: 'ms' }],
    contestants,
    goals: [goal],
    full: {},
    quick: {},
    sample: async ({ contestant }) => {
      const specifiers = imports[contestant] ?? [contestant]
      const program = `
        const before = performance.now()
        ${specifiers.map((specifier) => `await import('${specifier}')`).join('\n')}
        console.log(performance.now() - before)
        process.exit()`
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
        // From there it is resolved.
        cwd: contestant.endsWith('-manager') ? INSTALLED : BENCHMARKS,
      })
      return { time: Number(stdout) }
    },
  }
}
