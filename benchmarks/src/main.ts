import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type BenchArguments, USAGE, parseArguments } from './arguments.ts'
import { BenchRedis } from './bench-redis.ts'
import { judgeGoal } from './goals.ts'
import { installOurPackages } from './installed.ts'
import { type Machine, describeMachine } from './machine.ts'
import { measures } from './measures/index.ts'
import type { Measure } from './measures/measure.ts'
import { renderPlots } from './report/svg-plot.ts'
import { type MeasureReport, reportTables } from './report/table.ts'
import { writeBetween } from './report/write-between.ts'
import { sampleInTurn } from './sampling.ts'
import { type ScaleReport, measureScale, scalePlots, scaleTables } from './scale.ts'
import { runSoak } from './soak.ts'

const HERE = join(import.meta.dirname, '..')
const DOCS = join(HERE, '../docs')
const SCALE = 'scale'

if (process.argv.includes('--help')) console.info(USAGE)
else await main(parseArguments(process.argv.slice(2)))

async function main(args: BenchArguments): Promise<void> {
  if (args.list) {
    for (const { name, title } of measures) console.info(`${name.padEnd(20)} ${title}`)
    console.info(`${SCALE.padEnd(20)} Cost per worker, from 100 to 100,000 (default) and to 10,000 (BullMQ)`)
    return
  }
  const redis = new BenchRedis()
  try {
    await installOurPackages()
    if (args.soak) await soak(args, redis)
    else await bench(args, redis)
  } finally {
    await redis.close()
  }
}

async function bench(args: BenchArguments, redis: BenchRedis): Promise<void> {
  const reports: MeasureReport[] = []
  for (const measure of measures.filter(({ name }) => isWanted(name, args))) {
    const params = args.quick ? measure.quick : measure.full
    if (!params) continue
    const contestants = args.quick ? quickContestants(measure) : measure.contestants
    const results = await sampleInTurn(measure, {
      runs: args.runs,
      contestants,
      params,
      ...sampling(redis, measure.name),
    })
    const report = { measure, params, results }
    reports.push(report)
    console.info(`${reportTables(report)}\n`)
  }
  let scale: ScaleReport[] = []
  if (isWanted(SCALE, args) && (!args.quick || args.only.length > 0)) {
    scale = await measureScale({ runs: args.runs, ...sampling(redis, SCALE) }, args.quick)
    console.info(scaleTables(scale))
  }
  if (reports.length === 0 && scale.length === 0) {
    throw new Error(`No measure begins with "${args.only.join('" or "')}". --list names them.`)
  }
  const machine = describeMachine()
  await writeJson(args, machine, reports, scale)
  if (args.writeDocs) await writeDocs(args, machine, reports, scale)
}

async function soak({ minutes, writeDocs: toDocs }: BenchArguments, redis: BenchRedis): Promise<void> {
  const text = await runSoak(minutes, await redis.fresh())
  console.info(text)
  if (toDocs) await changePage((page) => writeBetween(page, 'soak', text))
}

function isWanted(name: string, { only }: BenchArguments): boolean {
  return only.length === 0 || only.some((start) => name.startsWith(start))
}

/** Those that a goal is about. */
function quickContestants({ contestants, goals }: Measure): string[] {
  const named = new Set(goals.flatMap(({ contestant, beside = [] }) => [contestant, ...beside]))
  return contestants.filter((contestant) => goals.length === 0 || named.has(contestant))
}

function sampling(redis: BenchRedis, name: string) {
  return {
    freshRedis: () => redis.fresh(),
    onSample: (contestant: string, run: number) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${name}: ${contestant}, run ${run}\r`)
    },
  }
}

async function writeJson(
  { json }: BenchArguments,
  machine: Machine,
  reports: readonly MeasureReport[],
  scale: readonly ScaleReport[],
): Promise<void> {
  const file = json ?? join(HERE, 'dist/results.json')
  const content = {
    machine,
    measures: reports.map(({ measure: { name, title, goals }, params, results }) => ({
      name,
      title,
      params,
      results,
      goals: goals.map((goal) => judgeGoal(goal, results)),
    })),
    scale: scale.map(({ curve: { name, title, unit }, bySize }) => ({ name, title, unit, bySize })),
  }
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify(content, undefined, 2)}\n`)
  console.info(`\nFigures: ${file}`)
}

/** What was not measured stays on the page: the soak and, with `quick`, the curves. */
async function writeDocs(
  { runs, quick }: BenchArguments,
  machine: Machine,
  reports: readonly MeasureReport[],
  scale: readonly ScaleReport[],
): Promise<void> {
  const ofGroup = (isRedis: boolean) =>
    reports.filter(({ measure }) => (measure.needsRedis ?? measure.name === 'import-bullmq') === isRedis)
  const { date, node, cpu, cores, memoryGb, versions } = machine
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  await changePage((page) => {
    const sections = {
      machine: `Measured on ${date}: Node ${node}, ${cores} cores of ${cpu}, ${memoryGb} GB; medians of ${runs} runs (smallest … greatest)${quick ? ', small sizes (`--quick`)' : ''}. ${peers.join(', ')}.`,
      memory: ofGroup(false).map(reportTables).join('\n\n'),
      redis: ofGroup(true).map(reportTables).join('\n\n'),
      scale: scale.length > 0 ? `![Cost per worker](performance-scale.svg)\n\n${scaleTables(scale)}` : '',
    }
    return Object.entries(sections)
      .filter(([, text]) => text !== '')
      .reduce((changed, [name, text]) => writeBetween(changed, name, text), page)
  })
  if (scale.length > 0) await writeFile(join(DOCS, 'performance-scale.svg'), renderPlots(scalePlots(scale)))
}

async function changePage(change: (page: string) => string): Promise<void> {
  const file = join(DOCS, 'performance.md')
  await writeFile(file, change(await readFile(file, 'utf8')))
}
