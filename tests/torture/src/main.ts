import { parseArgs } from 'node:util'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MANAGER_NAMES, type ManagerName } from './managers.ts'
import { printRow } from './report.ts'
import { printScript, writeScript } from './script.ts'
import { forget, torture } from './torture.ts'

const USAGE = `Usage: npm run torture -- [--minutes N] [--seed N] [--manager default|bullmq]

  --minutes   how long, at least 1 (default 10)
  --seed      which script (default 1)
  --manager   which manager (default: bullmq)`

/** How many processes are tortured. */
const SEATS = 3

const options = readOptions()
if (typeof options === 'string') {
  console.error(`${options}\n\n${USAGE}`)
  process.exitCode = 2
} else {
  const ending = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort())
  process.exitCode = await run(options, ending.signal)
}

interface Options {
  readonly minutes: number
  readonly seed: number
  readonly manager: ManagerName
}

async function run({ minutes, seed, manager }: Options, signal: AbortSignal): Promise<number> {
  const script = writeScript({ seed, minutes, seats: SEATS })
  console.log(`manager ${manager}, ${printScript(script)}\n`)
  try {
    const result = await torture({ script, manager, signal })
    console.log(`${JSON.stringify(result.summary, undefined, 2)}\n${printRow(result.summary)}`)
    for (const { runId, successor, overlapMs, reactedAfterMs } of result.verdict.leaseOverlaps) {
      const times = `${Math.round(overlapMs)} ms, its signal was aborted after ${Math.round(reactedAfterMs)} ms`
      console.log(`lease lost: ${runId} beside ${successor} for ${times}`)
    }
    if (result.complaint === '') {
      await forget(result)
      console.log('\nNo violation.')
      return 0
    }
    await writeFile(join(result.folder, 'report.txt'), result.complaint)
    console.log(`\n${result.complaint}\n\nThe journals are in ${result.folder}`)
    return 1
  } catch (error) {
    if (!signal.aborted) throw error
    console.log('Ended early; nothing was judged.')
    return 130
  }
}

/** Gives what is wrong with the arguments, or what they say. */
function readOptions(): Options | string {
  try {
    const { values } = parseArgs({
      // pnpm passes the dashes on.
      args: process.argv.slice(2).filter((argument) => argument !== '--'),
      options: {
        minutes: { type: 'string', default: '10' },
        seed: { type: 'string', default: '1' },
        manager: { type: 'string', default: 'bullmq' },
      },
    })
    const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
    const manager = MANAGER_NAMES.find((name) => name === values.manager)
    if (!(minutes >= 1 && minutes <= 1_440)) return `--minutes must be from 1 to 1440, got ${values.minutes}.`
    if (!Number.isSafeInteger(seed) || seed < 0) return `--seed must be a whole number from 0, got ${values.seed}.`
    if (manager === undefined) return `--manager must be one of ${MANAGER_NAMES.join(', ')}, got ${values.manager}.`
    return { minutes, seed, manager }
  } catch (error) {
    return (error as Error).message
  }
}
