import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { type Mutant, mutants } from './mutants.ts'
import { Workshop } from './workshop.ts'

// Puts each fault into a copy of the sources and runs the tests that ought to catch it. Arguments: parts of names or files.

interface Verdict {
  readonly mutant: Mutant
  readonly isCaught: boolean
  /** The test that caught it, or why none did. */
  readonly by: string
}

const root = join(import.meta.dirname, '../../..')
const wanted = process.argv.slice(2)
const chosen = mutants.filter(
  ({ name, file }) => wanted.length === 0 || wanted.some((part) => name.includes(part) || file.includes(part)),
)
if (chosen.length === 0) throw new Error(`No mutant has "${wanted.join('" or "')}" in its name or its file.`)
const pending = [...chosen]
const verdicts: Verdict[] = []
const startedAt = performance.now()

await checkThatAllPass()
await Promise.all(Array.from({ length: Math.min(availableParallelism(), chosen.length) }, workThrough))

const survivors = verdicts.filter(({ isCaught }) => !isCaught)
const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1)
console.log(`\n${verdicts.length - survivors.length} of ${verdicts.length} mutants are caught, in ${minutes} min.`)
for (const { mutant, by } of survivors) console.log(`SURVIVED  ${mutant.file}: ${mutant.name}  ${by}`)
process.exitCode = survivors.length > 0 ? 1 : 0

/** A suite that fails anyway would catch every mutant. */
async function checkThatAllPass(): Promise<void> {
  console.log('The tests run without a mutant first.')
  await using workshop = await Workshop.open(root)
  const { failed, problem } = await workshop.run([...new Set(chosen.flatMap(({ tests }) => tests))])
  if (failed.length > 0 || problem !== undefined) {
    throw new Error(`Without a mutant the tests must pass: ${problem ?? failed.join(', ')}`)
  }
}

async function workThrough(): Promise<void> {
  await using workshop = await Workshop.open(root)
  for (let mutant = pending.shift(); mutant !== undefined; mutant = pending.shift()) {
    const verdict = await judge(workshop, mutant)
    verdicts.push(verdict)
    const count = `${verdicts.length}`.padStart(`${chosen.length}`.length)
    console.log(
      `${count}/${chosen.length}  ${verdict.isCaught ? 'caught  ' : 'SURVIVED'}  ${mutant.name}  <-  ${verdict.by}`,
    )
  }
}

async function judge(workshop: Workshop, mutant: Mutant): Promise<Verdict> {
  try {
    const { failed, problem } = await workshop.test(mutant)
    const [first] = failed
    return { mutant, isCaught: first !== undefined, by: first ?? problem ?? 'all tests pass' }
  } catch (error) {
    return { mutant, isCaught: false, by: (error as Error).message }
  }
}
