import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ManagerName } from './managers.ts'
import type { Fault, Script } from './script.ts'
import type { ViolationKind } from './worker-case.ts'

/** A way in which the library is broken on purpose, while it is loaded; the files stay as they are. */
export interface BrokenBuild {
  readonly name: string
  readonly manager: ManagerName
  /** From the root of the repository. */
  readonly file: string
  /** Each text is there exactly once and becomes the other. */
  readonly edits: readonly (readonly [text: string, becomes: string])[]
  /** What brings it to light, within 60 s; nothing where the workers alone do. */
  readonly faults: readonly Fault[]
  /** What the oracle then says, among other things. */
  readonly shows: ViolationKind
}

const BULLMQ = 'packages/bullmq-manager/src'

/** Two of three processes, every four seconds: what is overdue at a start is a matter of chance. */
const RESTARTS: Fault[] = Array.from({ length: 11 }, (_, index) => ({
  kind: 'restart',
  atMs: 2_000 + index * 4_000,
  seats: [0, 1],
  forMs: 0,
}))

/** Whichever process has the first long run is isolated; for the others there is no occasion then. */
const ISOLATION: Fault[] = [0, 1, 2].map((seat) => ({ kind: 'isolate', atMs: 1_000, seats: [seat], forMs: 35_000 }))

/** Processes die in the midst of a run, and some more whatever they do. Their runs are taken over within 35 s. */
const DEATHS: Fault[] = [
  { kind: 'crash-run', atMs: 1_000, seats: [0], forMs: 0 },
  { kind: 'crash-run', atMs: 1_000, seats: [1], forMs: 0 },
  { kind: 'crash-recovering', atMs: 1_000, seats: [2], forMs: 0 },
  ...[5_000, 8_000, 11_000, 14_000, 17_000].map((atMs, index): Fault => {
    return { kind: 'kill', atMs, seats: [index % 3], forMs: 500 }
  }),
]

/** All that are known; the oracle must catch each. */
export const BROKEN_BUILDS: readonly BrokenBuild[] = [
  {
    name: 'the overlap guard is off (bullmq)',
    manager: 'bullmq',
    file: `${BULLMQ}/run-queues.ts`,
    edits: [['deduplication: { id: data.worker },', '']],
    faults: [],
    shows: 'overlap',
  },
  {
    name: 'the overlap guard is off (default)',
    manager: 'default',
    file: 'packages/default-manager/src/slot-runner.ts',
    edits: [
      ['activeRunId,\n      },\n      slot,\n      now,', 'activeRunId: undefined,\n      },\n      slot,\n      now,'],
      ['if (this.#locks) this.#waitForSlotLock(this.#locks, entry, slot)\n        else ', ''],
    ],
    faults: [],
    shows: 'overlap',
  },
  {
    name: 'a start writes every schedule again (bullmq)',
    manager: 'bullmq',
    file: `${BULLMQ}/reconcile-plan.ts`,
    edits: [['if (!isInPlace) writes.push(', 'writes.push(']],
    faults: RESTARTS,
    shows: 'late',
  },
  {
    name: 'the lock is released when the outcome is fixed (bullmq)',
    manager: 'bullmq',
    file: `${BULLMQ}/run-processor.ts`,
    edits: [
      [
        '    this.#parts.runFinished(record)\n    const active',
        '    this.#active.get(record.runId)?.settled.resolve()\n    this.#parts.runFinished(record)\n    const active',
      ],
    ],
    faults: [],
    shows: 'overlap',
  },
  {
    name: 'the lock is released when the outcome is fixed (default)',
    manager: 'default',
    file: 'packages/default-manager/src/active-work.ts',
    edits: [
      [
        'runFinished: (run) => this.#records.finish(run.plan.entry, run),',
        'runFinished: (run) => {\n        run.plan.lock?.giveBack()\n        this.#records.finish(run.plan.entry, run)\n      },',
      ],
    ],
    faults: [],
    shows: 'overlap',
  },
  {
    name: 'a lost lease is ignored (bullmq)',
    manager: 'bullmq',
    file: `${BULLMQ}/run-processor.ts`,
    edits: [['run?.abort(new LeaseLostError(run.record.worker, runId))', 'void [run, LeaseLostError]']],
    faults: ISOLATION,
    shows: 'overlap',
  },
  {
    name: 'a lost lease is ignored (default)',
    manager: 'default',
    file: 'packages/default-manager/src/active-work.ts',
    edits: [['const lost = () => run.abort(leaseLost(run, hold))', 'const lost = () => void leaseLost(run, hold)']],
    faults: ISOLATION,
    shows: 'overlap',
  },
  {
    name: 'the record is written after the run (bullmq)',
    manager: 'bullmq',
    file: `${BULLMQ}/run-processor.ts`,
    edits: [
      [
        'const decision = await this.#parts.store\n      .decideRun(run.record, claim)\n      .catch((error: unknown) => this.#decisionFailed(run.record, error))\n',
        'const decision: Awaited<ReturnType<Store["decideRun"]>> = { lastSucceededAtMs: undefined }\n',
      ],
      [
        'await active.settled.promise\n',
        'await active.settled.promise\n    await this.#parts.store.decideRun(run.record, claim)\n',
      ],
    ],
    faults: DEATHS,
    // The run is not known when its process dies, so its slot is decided anew.
    shows: 'decided-twice',
  },
]

/** A minute in which the build shows what is wrong with it. */
export function scriptOf({ faults }: BrokenBuild): Script {
  return { seed: 0, minutes: 1, seats: 3, kinds: [], durationMs: 60_000, faults }
}

const ROOT = new URL('../../../', import.meta.url)

/** The options of Node with which a process runs the broken build. @throws Error for a text that is not there exactly once */
export function nodeArgsOf(build: BrokenBuild): string[] {
  breakSource(build, readFileSync(sourceOf(build), 'utf8'))
  const preload = new URL('load-broken-build.ts', import.meta.url)
  preload.searchParams.set('build', build.name)
  return ['--import', preload.href]
}

/** The file that is broken. */
export function sourceOf({ file }: BrokenBuild): string {
  return fileURLToPath(new URL(file, ROOT))
}

/** The source with the fault in it. @throws Error for a text that is not there exactly once */
export function breakSource({ name, file, edits }: BrokenBuild, source: string): string {
  let broken = source
  for (const [text, becomes] of edits) {
    const count = broken.split(text).length - 1
    if (count !== 1) throw new Error(`"${name}": this text is ${count} times in ${file}, not once: ${text.trim()}`)
    broken = broken.replace(text, () => becomes)
  }
  return broken
}
