import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { INSTALLED, IN_ONE_FILE } from '../installed.ts'
import type { Goal, Measure } from './measure.ts'

/** What a contestant's users import. */
const imports: Readonly<Record<string, readonly string[]>> = {
  'default-manager': ['@background-workers/default-manager'],
  'bullmq-manager': ['@background-workers/bullmq-manager'],
  '@nestjs/schedule': ['reflect-metadata', '@nestjs/core', '@nestjs/schedule'],
  bullmq: ['bullmq', 'ioredis'],
  // Not a peer: no packaging of the same code and dependencies loads fewer files.
  'one file (limit)': [IN_ONE_FILE],
}

const OURS = ['default-manager', 'bullmq-manager', 'one file (limit)']

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
  ['bullmq-manager', 'bullmq', 'one file (limit)'],
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
        cwd: OURS.includes(contestant) ? INSTALLED : BENCHMARKS,
      })
      return { time: Number(stdout) }
    },
  }
}
