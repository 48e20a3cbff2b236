import { parseArgs } from 'node:util'

/** What the bench is asked for. */
export interface BenchArguments {
  /** Names the measures and measures nothing. */
  readonly list: boolean
  /** One run of small sizes: shows that everything works, not how fast it is. */
  readonly quick: boolean
  /** Only measures with a name that begins with one of these; none means all. */
  readonly only: readonly string[]
  /** How often each contestant is measured. @default 5, 1 with `quick` */
  readonly runs: number
  /** Writes tables and plot into docs/performance.md. Not with `only`: it would take the other tables out. */
  readonly writeDocs: boolean
  /** Runs the soak and not the measures. */
  readonly soak: boolean
  /** How long the soak takes. @default 30, 1 with `quick` */
  readonly minutes: number
  /** Where the JSON goes. @default results.json in the package's dist */
  readonly json: string | undefined
}

/** What `--help` prints. */
export const USAGE = `npm run bench [-- options]

  --list             name the measures
  --only <measure>   only measures with a name that begins so; may be repeated
  --quick            one run of small sizes, in two minutes
  --runs <n>         how often each contestant is measured (5)
  --json <file>      where the figures go (benchmarks/dist/results.json)
  --write-docs       write tables and plot into docs/performance.md; not with --only
  --soak             1,000 workers on each manager for --minutes <n> (30)`

/** @throws an error that names what can not be read, or does not go together */
export function parseArguments(args: readonly string[]): BenchArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      list: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      runs: { type: 'string' },
      'write-docs': { type: 'boolean', default: false },
      soak: { type: 'boolean', default: false },
      minutes: { type: 'string' },
      json: { type: 'string' },
    },
  })
  const { quick } = values
  if (values['write-docs'] && values.only.length > 0) {
    throw new Error(
      '--write-docs writes the tables of all measures. Leave --only out, or copy the tables that it prints.',
    )
  }
  return {
    list: values.list,
    quick,
    only: values.only,
    runs: readNumber('--runs', values.runs, quick ? 1 : 5, (number) => Number.isInteger(number)),
    writeDocs: values['write-docs'],
    soak: values.soak,
    minutes: readNumber('--minutes', values.minutes, quick ? 1 : 30, () => true),
    json: values.json,
  }
}

function readNumber(
  option: string,
  text: string | undefined,
  fallback: number,
  isAllowed: (number: number) => boolean,
): number {
  if (text === undefined) return fallback
  const number = Number(text)
  if (!(number > 0) || !Number.isFinite(number) || !isAllowed(number)) {
    throw new Error(`${option} takes a number above 0, got "${text}".`)
  }
  return number
}
