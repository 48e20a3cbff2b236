import type { PeriodicWorkerPolicy } from '@background-workers/abstractions'
import fc from 'fast-check'
import { CRONS, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, type Slots, ZONES, cronSlots, intervalSlots } from './slots.ts'

/** What the runs of a worker do from now on. */
export interface Behaviour {
  /** 0 ends before the first await. */
  readonly durationMs: number
  readonly fails: boolean
  /** Whether an abort of the signal ends it. */
  readonly isHeedful: boolean
}

/** One step of a simulation. One that makes no sense at its time does nothing, so that any script is a valid one. */
export type Command =
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'step'; readonly ms: number }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'add'; readonly worker: string; readonly slots: Slots; readonly policy: PeriodicWorkerPolicy }
  | { readonly kind: 'reschedule'; readonly worker: string; readonly slots: Slots | undefined }
  | { readonly kind: 'behave'; readonly worker: string; readonly behaviour: Behaviour }
  | { readonly kind: 'remove' | 'trigger' | 'cancel' | 'pause' | 'resume' | 'look'; readonly worker: string }
  | { readonly kind: 'start' }
  | { readonly kind: 'stop'; readonly timeoutMs: number }

/** The names of the workers. */
export const WORKERS = ['w0', 'w1', 'w2', 'w3', 'w4'] as const

// How often each kind of command comes, in 256 steps.
const WEIGHTS: readonly (readonly [Command['kind'], number])[] = [
  ['advance', 120],
  ['look', 24],
  ['behave', 22],
  ['trigger', 16],
  ['resume', 14],
  ['add', 14],
  ['start', 10],
  ['cancel', 8],
  ['pause', 8],
  ['reschedule', 6],
  ['step', 5],
  ['remove', 4],
  ['stop', 3],
  ['sleep', 2],
]
const KINDS = WEIGHTS.flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind))

/** Reads a command from 32 bits: 8 for the kind, 4 for the worker, 20 for the rest. */
export function readCommand(bits: number): Command {
  const kind = KINDS[bits & 0xff] as Command['kind']
  const worker = WORKERS[((bits >>> 8) & 0xf) % WORKERS.length] as string
  const take = choices(bits >>> 12)
  switch (kind) {
    case 'advance':
      // Mostly short, sometimes some minutes, all sizes alike.
      return { kind, ms: Math.ceil(10 ** (take(1_000) / (take(24) === 0 ? 160 : 220))) }
    case 'step':
      return { kind, ms: (take(2) === 0 ? 1 : -1) * stepMs(take) }
    case 'sleep':
      return { kind, ms: stepMs(take) }
    case 'add':
      return { kind, worker, policy: readPolicy(take), slots: readSlots(worker, take) }
    case 'reschedule':
      return { kind, worker, slots: take(4) === 0 ? undefined : readSlots(worker, take) }
    case 'behave':
      return { kind, worker, behaviour: readBehaviour(take) }
    case 'stop':
      return { kind, timeoutMs: pick(take, [1, 500, 5_000, 30_000]) }
    case 'start':
      return { kind }
    case 'remove':
    case 'trigger':
    case 'cancel':
    case 'pause':
    case 'resume':
    case 'look':
      return { kind, worker }
  }
}

type Take = (count: number) => number

/** Draws small numbers from one large one. */
function choices(source: number): Take {
  let rest = source
  return (count) => {
    const taken = rest % count
    rest = Math.floor(rest / count)
    return taken
  }
}

function pick<T>(take: Take, values: readonly T[]): T {
  return values[take(values.length)] as T
}

// Large ones are rare: cron slots have to be counted one by one.
const SMALL_STEPS_MS = [300, 900, 1_500, 8 * SECOND_MS, 50 * SECOND_MS, 7 * MINUTE_MS]
const STEPS_MS = [
  ...SMALL_STEPS_MS,
  ...SMALL_STEPS_MS,
  ...SMALL_STEPS_MS,
  ...SMALL_STEPS_MS,
  2 * HOUR_MS,
  DAY_MS,
  40 * DAY_MS,
]

function stepMs(take: Take): number {
  return pick(take, STEPS_MS) + take(700)
}

function readSlots(worker: string, take: Take): Slots {
  if (take(6) === 0) return cronSlots(pick(take, CRONS), pick(take, Object.keys(ZONES) as (keyof typeof ZONES)[]))
  const periodMs = pick(take, [
    250,
    2 * SECOND_MS,
    10 * SECOND_MS,
    37 * SECOND_MS,
    MINUTE_MS,
    5 * MINUTE_MS,
    HOUR_MS,
    6 * HOUR_MS,
    DAY_MS,
    30 * DAY_MS,
  ])
  return intervalSlots(worker, periodMs, pick(take, [undefined, undefined, 0, periodMs - 1, Math.floor(periodMs / 3)]))
}

function readPolicy(take: Take): PeriodicWorkerPolicy {
  const catchUpWindowMs = pick(take, [undefined, undefined, 0, 5 * SECOND_MS, 2 * HOUR_MS])
  const jitterMs = pick(take, [0, 0, 0, 400, 5 * SECOND_MS, 90 * SECOND_MS, 1_000_000_000])
  const timeoutMs = pick(take, [undefined, undefined, 700, 10 * SECOND_MS])
  const retry = pick(take, [
    undefined,
    { attempts: 3, backoffMs: 300, factor: 2 },
    { attempts: 2, backoffMs: 0 },
    { attempts: 4, backoffMs: 8 * SECOND_MS, factor: 3, maxBackoffMs: 20 * SECOND_MS },
    { attempts: 3, backoffMs: 10 * MINUTE_MS },
  ])
  return {
    runOnStart: take(5) === 0,
    misfire: take(4) === 0 ? 'skip' : 'run-once',
    keepRuns: pick(take, [1, 3, 100]),
    jitterMs,
    ...(catchUpWindowMs !== undefined && { catchUpWindowMs }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(retry !== undefined && { retry }),
  }
}

function readBehaviour(take: Take): Behaviour {
  return {
    durationMs: pick(take, [0, 0, 0, 1, 200, 3 * SECOND_MS, 15 * SECOND_MS, 100 * SECOND_MS]),
    fails: take(3) === 0,
    isHeedful: take(3) > 0,
  }
}

/** The steps of a simulation. Printed as the commands they are. */
export class Script {
  readonly steps: readonly number[]
  /** How many steps were needed to fail. */
  failedAfter: number | undefined

  constructor(steps: readonly number[]) {
    this.steps = steps
  }

  [fc.toStringMethod](): string {
    const lines = this.steps.map((bits) => `  ${describeCommand(readCommand(bits))} // ${bits}`)
    return `a script of ${this.steps.length} steps\n${lines.join('\n')}\n`
  }
}

/** A command as a report shows it. */
export function describeCommand({ kind, ...rest }: Command): string {
  const parts = Object.entries(rest).map(([key, value]) => {
    const shown = key === 'slots' && value !== undefined ? (value as Slots).schedule : value
    return `${key}: ${JSON.stringify(shown)}`
  })
  return [kind, ...parts].join(' ')
}

/** Scripts of `length` steps. A failing one is cut where it failed, then loses steps as long as it still fails. */
export function scripts(length: number): fc.Arbitrary<Script> {
  return new ScriptArbitrary(length)
}

/** How large the parts are that are left out, and the first that was not tried yet. */
interface Cut {
  readonly size: number
  readonly from: number
}

class ScriptArbitrary extends fc.Arbitrary<Script> {
  readonly #length: number

  constructor(length: number) {
    super()
    this.#length = length
  }

  generate(random: fc.Random): fc.Value<Script> {
    const steps = Array.from({ length: this.#length }, () => random.nextInt(0, 0xffffffff))
    return new fc.Value(new Script(steps), undefined)
  }

  canShrinkWithoutContext(value: unknown): value is Script {
    return value instanceof Script
  }

  shrink(script: Script, context: unknown): fc.Stream<fc.Value<Script>> {
    return new fc.Stream(shorter(script, context as Cut | undefined))
  }
}

function* shorter({ steps, failedAfter }: Script, cut: Cut | undefined): Generator<fc.Value<Script>> {
  const needed = steps.slice(0, failedAfter)
  let { size, from } = cut ?? { size: Math.ceil(needed.length / 2), from: 0 }
  for (; size >= 1; size = Math.floor(size / 2), from = 0) {
    for (; from < needed.length; from += size) {
      yield new fc.Value(new Script([...needed.slice(0, from), ...needed.slice(from + size)]), { size, from })
    }
  }
}
