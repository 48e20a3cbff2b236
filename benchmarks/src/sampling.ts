import { execFile } from 'node:child_process'
import { join } from 'node:path'
import type { Figures, Measure, Params, SampleSpec } from './measures/measure.ts'
import { type Summary, summarize } from './statistics.ts'

/** What a contestant came to in one measure. */
export interface Result {
  readonly contestant: string
  /** By figure; empty when no sample counts. */
  readonly figures: Readonly<Record<string, Summary>>
  /** Why samples do not count. */
  readonly incorrect: readonly string[]
}

/** How samples are taken. */
export interface SamplingOptions {
  readonly runs: number
  readonly contestants: readonly string[]
  readonly params: Params
  /** Gives a Redis that only the next sample uses. */
  readonly freshRedis: () => Promise<string>
  readonly onSample?: (contestant: string, run: number) => void
}

/** A sample that takes longer is given up: where its timers keep the process busy for ever, it comes to no end. */
const SAMPLE_TIMEOUT_MS = 180_000

/** Measures the contestants in turn, again and again: what disturbs the machine for a while disturbs all of them. */
export async function sampleInTurn(measure: Measure, options: SamplingOptions): Promise<Result[]> {
  const { runs, contestants, params, freshRedis, onSample } = options
  const samples = new Map<string, Figures[]>(contestants.map((contestant) => [contestant, []]))
  const incorrect = new Map<string, string[]>(contestants.map((contestant) => [contestant, []]))
  const endless = new Set<string>()
  for (let run = 1; run <= runs; run++) {
    for (const contestant of contestants.filter((name) => !endless.has(name))) {
      onSample?.(contestant, run)
      const spec: SampleSpec = {
        measure: measure.name,
        contestant,
        params,
        ...(measure.needsRedis && { redisUrl: await freshRedis() }),
      }
      try {
        if (measure.prepare) await takeSample({ ...spec, isPreparation: true })
        samples.get(contestant)?.push(await takeSample(spec))
      } catch (error) {
        incorrect.get(contestant)?.push((error as Error).message)
        if (error instanceof EndlessError) endless.add(contestant)
      }
    }
  }
  return contestants.map((contestant) => ({
    contestant,
    figures: summarizeFigures(samples.get(contestant) ?? []),
    incorrect: incorrect.get(contestant) ?? [],
  }))
}

function summarizeFigures(samples: readonly Figures[]): Record<string, Summary> {
  const keys = Object.keys(samples[0] ?? {})
  return Object.fromEntries(keys.map((key) => [key, summarize(samples.map((sample) => sample[key] as number))]))
}

/** Each in a fresh process: no heap, no compiled code and no timer of another sample is in it. */
function takeSample(spec: SampleSpec): Promise<Figures> {
  const args = ['--expose-gc', '--no-warnings', join(import.meta.dirname, 'sample.ts'), JSON.stringify(spec)]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: SAMPLE_TIMEOUT_MS, maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
      if (error?.killed) reject(new EndlessError(`came to no end within ${SAMPLE_TIMEOUT_MS / 1_000} s`))
      else if (error) reject(new Error(reasonOf(stderr) ?? `ended with ${error.code ?? error.signal}`))
      else resolve(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''))
    })
  })
}

/** It would take as long the next time. */
class EndlessError extends Error {}

/** The line of an uncaught error that says what it is. */
function reasonOf(stderr: string): string | undefined {
  return stderr.split('\n').find((line) => /^\w*(Error|incorrect)\b.*: /.test(line))
}
