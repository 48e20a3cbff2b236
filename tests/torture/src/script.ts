import { randomOf } from './random.ts'

/** The kinds of faults, each with what it needs and how long it lasts. */
const KINDS = {
  // Processes.
  /** SIGKILL; another one comes `forMs` later. */
  kill: { seats: 'one', forMs: [500, 4_000], plannedMs: 4_000 },
  /** SIGSTOP for longer than a lease, then SIGCONT. */
  suspend: { seats: 'one', forMs: [24_000, 30_000] },
  'suspend-briefly': { seats: 'one', forMs: [500, 3_000] },
  /** A graceful stop, and a new process in its place; up to all but one at once. */
  restart: { seats: 'some', forMs: [0, 0], plannedMs: 8_000 },
  /** A rolling deploy of the next release. */
  'release-up': { seats: 'all', forMs: [0, 0], plannedMs: 16_000 },
  /** A rolling deploy of the release before. */
  'release-down': { seats: 'all', forMs: [0, 0], plannedMs: 16_000 },
  /** A process computes and does nothing else. */
  block: { seats: 'one', forMs: [300, 2_500] },
  'block-long': { seats: 'one', forMs: [24_000, 28_000] },
  /** `Date` of a process is `ms` off. */
  clock: { seats: 'one', forMs: [3_000, 12_000], ms: [-5_000, 5_000] },
  /** A run of the worker `crashing` kills its process. */
  'crash-run': { seats: 'one', forMs: [0, 0], plannedMs: 12_000 },
  /** A run of the worker `recovering` kills its process. */
  'crash-recovering': { seats: 'one', forMs: [0, 0], plannedMs: 12_000 },
  // Connections.
  /** Reset. */
  cut: { seats: 'one-or-all', forMs: [0, 0] },
  /** Reset, and refused for a while. */
  refuse: { seats: 'one-or-all', forMs: [1_000, 5_000] },
  /** Each byte comes `ms` later, both ways. */
  delay: { seats: 'one-or-all', forMs: [3_000, 8_000], ms: [50, 300] },
  /** They stay, and nothing gets through. */
  'half-open': { seats: 'one-or-all', forMs: [3_000, 12_000] },
  /** Half-open for longer than a lease, while a run is active that takes longer still. */
  isolate: { seats: 'one', forMs: [32_000, 36_000], plannedMs: 48_000 },
  // Redis.
  'redis-restart': { seats: 'redis', forMs: [0, 0], plannedMs: 2_000 },
  /** SIGKILL; it is started again `forMs` later. What it had answered is on its disk. */
  'redis-kill': { seats: 'redis', forMs: [200, 3_000] },
  /** CLIENT PAUSE. */
  'redis-pause': { seats: 'redis', forMs: [500, 2_000] },
  /** FLUSHALL. */
  'redis-empty': { seats: 'redis', forMs: [0, 0] },
  // Operators.
  /** The worker `paused` is paused, and resumed. */
  pause: { seats: 'none', forMs: [4_000, 10_000] },
  /** A manual run of the worker `slow`. */
  trigger: { seats: 'none', forMs: [0, 0] },
} as const satisfies Record<string, KindRule>

interface KindRule {
  readonly seats: 'none' | 'redis' | 'one' | 'some' | 'all' | 'one-or-all'
  readonly forMs: readonly [least: number, most: number]
  readonly ms?: readonly [least: number, most: number]
  /** How long the script keeps its seats free of other faults, where that is not `forMs`. */
  readonly plannedMs?: number
}

/** A way in which something is broken. */
export type FaultKind = keyof typeof KINDS

const FAULT_KINDS = Object.keys(KINDS) as FaultKind[]

/** One line of a script. */
export interface Fault {
  /** After the last process has started. */
  readonly atMs: number
  readonly kind: FaultKind
  /** Which of the processes it is for, by their seats; none for Redis and operators. */
  readonly seats: readonly number[]
  readonly forMs: number
  /** By how much, where there is such a thing. */
  readonly ms?: number
}

/** What a script is written for; the same options give the same script. */
export interface ScriptOptions {
  readonly seed: number
  readonly minutes: number
  /** How many processes there are. */
  readonly seats: number
  /** @default all */
  readonly kinds?: readonly FaultKind[]
}

/** What is broken in a run, and when, earliest first. */
export interface Script extends Required<ScriptOptions> {
  readonly durationMs: number
  readonly faults: readonly Fault[]
}

/** Nothing is broken before. */
const WARM_UP_MS = 3_000

/** So long nothing is broken at the end: a slot and 10 s, after which the oracle sees each worker on time at least once more. */
export const QUIET_MS = 16_000

/** Faults come in rounds of so long. Each is over when its round is. */
const ROUND_MS = 80_000

/** So long nothing is broken after a round, so that the oracle sees how soon everything is on time again. */
const LULL_MS = 20_000

/** The longest until the run of a process that is gone is taken over: its lease, two looks for such runs, and 7 s to do it. */
export const TAKE_OVER_MS = 35_000

/** The longest until an emptied Redis is restored: a heartbeat, another instance's write lock, and 5 s to do it. */
export const RESTORE_MS = 25_000

/**
 * How long after its end a fault can still hold a worker up.
 *
 * A process that is gone, or silent for longer, keeps a run's lease for 20 s, and it takes up to two looks (5 s apart)
 * until another instance takes over. A connection that breaks can lose the answer to "give me a job": that job is taken
 * over in the same time. Emptied: restored with the next heartbeat (10 s), at worst after another instance that held the
 * write lock (10 s). A clock that was ahead has decided slots ahead.
 */
export function costOf({ kind, ms = 0 }: Fault): number {
  switch (kind) {
    case 'kill':
    case 'crash-run':
    case 'crash-recovering':
    case 'suspend':
    case 'block-long':
    case 'isolate':
    case 'cut':
    case 'refuse':
    case 'half-open':
    case 'redis-restart':
    case 'redis-kill':
      return TAKE_OVER_MS
    case 'redis-empty':
      return RESTORE_MS
    case 'clock':
      return Math.abs(ms)
    case 'suspend-briefly':
    case 'block':
    case 'delay':
    case 'redis-pause':
    case 'restart':
    case 'release-up':
    case 'release-down':
    case 'pause':
    case 'trigger':
      return 0
    default:
      return kind satisfies never
  }
}

/** Writes the script of a seed: always the same one. Its last fault is one that costs nothing once it is over. */
export function writeScript({ seed, minutes, seats, kinds = FAULT_KINDS }: ScriptOptions): Script {
  const random = randomOf(seed)
  const durationMs = Math.round(minutes * 60_000)
  const endsAtMs = durationMs - QUIET_MS
  const faults: Fault[] = []
  const freeAtMs = { seats: Array.from({ length: seats }, () => 0), redis: 0, operators: 0 }
  let bag: FaultKind[] = []
  let tired = 0
  let roundEndsAtMs = ROUND_MS
  for (let atMs = WARM_UP_MS; atMs < endsAtMs; ) {
    if (atMs >= roundEndsAtMs) {
      atMs = roundEndsAtMs + LULL_MS
      roundEndsAtMs = atMs + ROUND_MS
    }
    if (bag.length === 0) bag = shuffled(kinds, random)
    const fault = proposeFault(bag[0] as FaultKind, Math.round(atMs), random, freeAtMs.seats)
    const isPossible = fault && fits(fault, faults, freeAtMs, { endsAtMs, roundEndsAtMs })
    if (!isPossible) {
      // Its turn comes later.
      bag.push(bag.shift() as FaultKind)
      if (++tired < bag.length) continue
      tired = 0
      atMs += 1_000
      continue
    }
    tired = 0
    bag.shift()
    faults.push(fault)
    const freeAt = atMs + plannedMs(fault)
    for (const seat of fault.seats) freeAtMs.seats[seat] = freeAt + 500
    if (KINDS[fault.kind].seats === 'redis') freeAtMs.redis = freeAt + 3_000
    if (KINDS[fault.kind].seats === 'none') freeAtMs.operators = freeAt
    atMs += 1_500 + random() * 3_500
  }
  return { seed, minutes, seats, kinds, durationMs, faults }
}

/** How long it is planned to take. */
function plannedMs({ kind, forMs }: Fault): number {
  const rule: KindRule = KINDS[kind]
  return rule.plannedMs ?? forMs
}

function proposeFault(
  kind: FaultKind,
  atMs: number,
  random: () => number,
  freeAtMs: readonly number[],
): Fault | undefined {
  const rule: KindRule = KINDS[kind]
  const between = ([least, most]: readonly [number, number]) => Math.round(least + random() * (most - least))
  const all = freeAtMs.map((_, seat) => seat)
  const free = shuffled(
    all.filter((seat) => (freeAtMs[seat] as number) <= atMs),
    random,
  )
  const isForAll = rule.seats === 'all' || (rule.seats === 'one-or-all' && random() < 0.4)
  const count = isForAll ? all.length : rule.seats === 'some' ? 1 + Math.floor(random() * (all.length - 1)) : 1
  const needsSeats = rule.seats !== 'redis' && rule.seats !== 'none'
  if (needsSeats && free.length < count) return undefined
  return {
    atMs,
    kind,
    seats: needsSeats ? free.slice(0, count) : [],
    forMs: between(rule.forMs),
    ...(rule.ms && { ms: between(rule.ms) }),
  }
}

function fits(
  fault: Fault,
  before: readonly Fault[],
  freeAtMs: { readonly redis: number; readonly operators: number },
  { endsAtMs, roundEndsAtMs }: { readonly endsAtMs: number; readonly roundEndsAtMs: number },
): boolean {
  const { seats } = KINDS[fault.kind]
  if (seats === 'redis' && freeAtMs.redis > fault.atMs) return false
  if (seats === 'none' && freeAtMs.operators > fault.atMs) return false
  const endMs = fault.atMs + plannedMs(fault)
  if (endMs > roundEndsAtMs || endMs + costOf(fault) > endsAtMs) return false
  // What was paused or resumed just before Redis is emptied may be forgotten with it: that is said, and not tested.
  const other = fault.kind === 'redis-empty' ? 'pause' : fault.kind === 'pause' ? 'redis-empty' : undefined
  return !before.some(
    (earlier) => earlier.kind === other && earlier.atMs + plannedMs(earlier) + FORGETTING_MS > fault.atMs,
  )
}

/** Every instance has seen a pause with its second heartbeat, and restored everything so long after Redis was emptied. */
const FORGETTING_MS = 30_000

/** A line for each fault. */
export function printScript({ seed, minutes, seats, faults }: Script): string {
  const kinds = new Set(faults.map(({ kind }) => kind))
  const lines = faults.map((fault) => `  ${printFault(fault)}`)
  return [
    `seed ${seed}, ${minutes} min, ${seats} processes: ${faults.length} faults of ${kinds.size} kinds`,
    ...lines,
  ].join('\n')
}

/** One fault in one line. */
function printFault({ atMs, kind, seats, forMs, ms }: Fault): string {
  const parts = [`${(atMs / 1_000).toFixed(1).padStart(6)} s  ${kind}`]
  if (seats.length > 0) parts.push(`process ${seats.join(', ')}`)
  if (forMs > 0) parts.push(`for ${forMs} ms`)
  if (ms !== undefined) parts.push(`by ${ms} ms`)
  return parts.join(', ')
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item)
}
