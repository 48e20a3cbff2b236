import { join } from 'node:path'
import { type Mutant, mutants } from './mutants.ts'
import { Workshop } from './workshop.ts'

// Puts each fault into a copy of the sources and runs the tests that ought to catch it. Arguments: parts of names.

interface Verdict {
  readonly mutant: Mutant
  readonly isCaught: boolean
  /** The test that caught it, or why none did. */
  readonly by: string
}

const root = join(import.meta.dirname, '../../..')
const wanted = process.argv.slice(2)
const chosen = mutants.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
const pending = [...chosen]
const verdicts: Verdict[] = []

await checkThatAllPass()
await Promise.all([workThrough(), workThrough()])

const width = Math.max(...chosen.map(({ name }) => name.length))
for (const mutant of chosen) {
  const { isCaught, by } = verdicts.find((verdict) => verdict.mutant === mutant) as Verdict
  console.log(`${isCaught ? 'caught  ' : 'SURVIVED'}  ${mutant.name.padEnd(width)}  ${by}`)
}
const survivors = verdicts.filter(({ isCaught }) => !isCaught)
console.log(`\n${verdicts.length - survivors.length} of ${verdicts.length} mutants are caught.`)
process.exitCode = survivors.length > 0 ? 1 : 0

/** A suite that fails anyway would catch every mutant. */
async function checkThatAllPass(): Promise<void> {
  await using workshop = await Workshop.open(root)
  const { failed, problem } = await workshop.run([...new Set(chosen.flatMap(({ tests }) => tests))])
  if (failed.length > 0 || problem !== undefined) {
    throw new Error(`Without a mutant the tests must pass: ${problem ?? failed.join(', ')}`)
  }
}

async function workThrough(): Promise<void> {
  await using workshop = await Workshop.open(root)
  for (let mutant = pending.shift(); mutant !== undefined; mutant = pending.shift()) {
    verdicts.push(await judge(workshop, mutant))
  }
}

async function judge(workshop: Workshop, mutant: Mutant): Promise<Verdict> {
  try {
    const { failed, problem } = await workshop.test(mutant)
    const [first] = failed
    if (first !== undefined) return { mutant, isCaught: true, by: `${failed.length} × ${first}` }
    return { mutant, isCaught: false, by: problem ?? 'all tests pass' }
  } catch (error) {
    return { mutant, isCaught: false, by: (error as Error).message }
  }
}
