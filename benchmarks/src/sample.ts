import { measures } from './measures/index.ts'
import type { SampleSpec } from './measures/measure.ts'

// The child process of one sample: measures one contestant once and writes the answer as its last line.
const spec = JSON.parse(process.argv[2] ?? '') as SampleSpec
const measure = measures.find(({ name }) => name === spec.measure)
if (!measure) throw new Error(`There is no measure "${spec.measure}".`)
const sample = spec.isPreparation ? measure.prepare : measure.sample
const figures = (await sample?.(spec)) ?? {}
process.stdout.write(`\n${JSON.stringify(figures)}\n`, () => process.exit())
