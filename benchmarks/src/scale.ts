import { measures } from './measures/index.ts'
import type { Params } from './measures/measure.ts'
import type { Plot } from './report/svg-plot.ts'
import { table } from './report/table.ts'
import { show } from './goals.ts'
import { type Result, sampleInTurn, type SamplingOptions } from './sampling.ts'

/** A cost per worker that is to stay flat, however many workers there are. */
interface ScaleCurve {
  readonly name: string
  readonly title: string
  readonly unit: string
  readonly measure: string
  readonly figure: string
  readonly contestants: readonly string[]
  readonly sizes: readonly number[]
  /** The sizes of the measure for so many workers. */
  readonly paramsOf: (workers: number) => Params
  /** The figure of the measure, per worker. */
  readonly perWorker: (value: number, workers: number) => number
}

const MEMORY_SIZES = [100, 1_000, 10_000, 100_000]
const REDIS_SIZES = [100, 1_000, 10_000]
const memoryContestants = ['default-manager', 'toad-scheduler']

const startCurve = {
  measure: 'start-intervals',
  contestants: memoryContestants,
  sizes: MEMORY_SIZES,
  paramsOf: (workers: number) => ({ workers, periodMs: 5_000 }),
  perWorker: (value: number) => value,
}

const curves: readonly ScaleCurve[] = [
  {
    ...startCurve,
    name: 'memory-time',
    title: 'Default manager: add and start',
    unit: 'µs per worker',
    figure: 'time',
  },
  { ...startCurve, name: 'memory-heap', title: 'Default manager: heap', unit: 'B per worker', figure: 'heap' },
  {
    name: 'memory-run',
    title: 'Default manager: CPU per run, 1,000 runs/s over all workers',
    unit: 'µs per run',
    measure: 'runs-1s',
    figure: 'cpu',
    contestants: memoryContestants,
    sizes: MEMORY_SIZES.slice(0, 3),
    // As many runs whatever their number.
    paramsOf: (workers) => ({ workers, periodMs: workers, seconds: Math.max(2, workers / 1_000), leastSlots: 0 }),
    perWorker: (value) => value,
  },
  {
    name: 'redis-first',
    title: 'BullMQ manager: first registration',
    unit: 'ms per worker',
    measure: 'redis-first-1000',
    figure: 'time',
    contestants: ['bullmq-manager', 'bullmq'],
    sizes: REDIS_SIZES,
    paramsOf: (workers) => ({ workers }),
    perWorker: (value, workers) => value / workers,
  },
  {
    name: 'redis-start',
    title: 'BullMQ manager: start with unchanged workers',
    unit: 'ms per worker',
    measure: 'redis-start-1000',
    figure: 'time',
    contestants: ['bullmq-manager', 'bullmq'],
    sizes: REDIS_SIZES,
    paramsOf: (workers) => ({ workers }),
    perWorker: (value, workers) => value / workers,
  },
]

/** What a curve came to: the results at each size. */
export interface ScaleReport {
  readonly curve: ScaleCurve
  readonly bySize: readonly { readonly workers: number; readonly results: readonly Result[] }[]
}

/** Measures costs per worker from 100 workers upwards; `smallOnly` leaves the greatest sizes out. */
export async function measureScale(
  options: Omit<SamplingOptions, 'params' | 'contestants'>,
  smallOnly: boolean,
): Promise<ScaleReport[]> {
  // Two figures of one measure come from the same samples.
  const taken = new Map<string, Promise<Result[]>>()
  const reports: ScaleReport[] = []
  for (const curve of curves) {
    const bySize = []
    for (const workers of smallOnly ? curve.sizes.slice(0, 2) : curve.sizes) {
      const key = `${curve.measure} ${workers}`
      const measure = measures.find(({ name }) => name === curve.measure)
      if (!measure) throw new Error(`There is no measure "${curve.measure}".`)
      const { contestants } = curve
      if (!taken.has(key)) {
        taken.set(key, sampleInTurn(measure, { ...options, contestants, params: curve.paramsOf(workers) }))
      }
      bySize.push({ workers, results: (await taken.get(key)) as Result[] })
    }
    reports.push({ curve, bySize })
  }
  return reports
}

/** The curves as Markdown tables. */
export function scaleTables(reports: readonly ScaleReport[]): string {
  return reports
    .map(({ curve, bySize }) => {
      const rows = curve.contestants.map((contestant) => [
        contestant,
        ...bySize.map(({ workers, results }) => show(figureOf(curve, workers, results, contestant) ?? Number.NaN)),
      ])
      const head = ['workers', ...bySize.map(({ workers }) => workers.toLocaleString('en'))]
      return `### ${curve.title}, ${curve.unit}\n\n${table(head, rows)}`
    })
    .join('\n\n')
}

/** The curves as plots. */
export function scalePlots(reports: readonly ScaleReport[]): Plot[] {
  return reports.map(({ curve, bySize }) => ({
    title: curve.title,
    xTitle: 'workers',
    yTitle: curve.unit,
    series: curve.contestants.map((contestant) => ({
      name: contestant,
      points: bySize.flatMap(({ workers, results }) => {
        const y = figureOf(curve, workers, results, contestant)
        return y === undefined ? [] : [{ x: workers, y }]
      }),
    })),
  }))
}

function figureOf(
  curve: ScaleCurve,
  workers: number,
  results: readonly Result[],
  contestant: string,
): number | undefined {
  const median = results.find((result) => result.contestant === contestant)?.figures[curve.figure]?.median
  return median === undefined ? undefined : curve.perWorker(median, workers)
}
