import type { PauseInfo, RunOutcome, RunRecord, ScheduleOverride } from '@background-workers/abstractions'
import {
  type ActiveInStore,
  type StoredDefinition,
  parseActive,
  parseDefinition,
  parseNumber,
  parseOverride,
  parsePause,
  parseRecord,
  parseTombstone,
} from './stored-values.ts'

/** What Redis keeps of a worker: the fields of one hash, `<field>:<worker>` each. */
export interface StoredWorker {
  readonly name: string
  readonly definition?: StoredDefinition
  readonly override?: ScheduleOverride
  readonly paused?: PauseInfo
  /** When it was removed (a tombstone), by Redis time. */
  readonly removedAt?: number
  readonly orphanedAt?: number
  /** Every slot up to here is decided, or is not owed. */
  readonly decidedUpTo?: number
  /** The latest slot that has started. */
  readonly startedUpTo?: number
  /** The run that holds the guard, and whether its outcome is fixed. */
  readonly active?: ActiveInStore
  /** The slot that waits for its jitter, as a record. */
  readonly waiting?: RunRecord
  /** The run that is stuck. */
  readonly stuckRunId?: string
  readonly lastRun?: RunRecord
  readonly lastSuccess?: RunRecord
  readonly lastFailure?: RunRecord
  readonly recentOutcomes: readonly RunOutcome[]
  readonly consecutiveFailures: number
  /** What `runOnStart` has run for: `release <n>` or `at <ms>`. */
  readonly startMark?: string
}

/** One that is declared. */
export type KnownWorker = StoredWorker & { readonly definition: StoredDefinition }

/** Whether there is such a worker: it is declared, and not removed. An orphan is there. */
export function isKnown(stored: StoredWorker): stored is KnownWorker {
  return stored.definition !== undefined && stored.removedAt === undefined
}

/** The fields that are read to judge a tick. */
export const TICK_FIELDS = [
  'definition',
  'override',
  'pause',
  'removed',
  'orphaned',
  'decided',
  'started',
  'active',
  'waiting',
] as const

const FIELDS = [...TICK_FIELDS, 'stuck', 'last', 'success', 'failure', 'failures', 'recent', 'start'] as const

/** The name of one field of a worker. */
export function fieldOf(worker: string, field: (typeof FIELDS)[number]): string {
  return `${field}:${worker}`
}

/** Everything there is of a worker, for its deletion; a removed one keeps its last runs and its tombstone. */
export function allFieldsOf(worker: string): string[] {
  return FIELDS.map((field) => fieldOf(worker, field))
}

/** The one-letter form in which recent outcomes are kept. */
export const OUTCOME_LETTERS = {
  succeeded: 's',
  failed: 'f',
  aborted: 'a',
  skipped: 'k',
  missed: 'm',
  lost: 'l',
} satisfies Record<RunOutcome, string>

const OUTCOME_OF_LETTER = new Map(
  Object.entries(OUTCOME_LETTERS).map(([outcome, letter]) => [letter, outcome as RunOutcome]),
)

/** Says of what is in Redis that it can not be read. */
export type ReportMalformed = (field: string) => void

/** Sorts the fields of the hash by worker. What does not look like ours is reported and left alone. */
export function groupByWorker(
  fields: Readonly<Record<string, string>>,
  report: ReportMalformed,
): Map<string, StoredWorker> {
  const byWorker = new Map<string, Map<string, string>>()
  for (const [key, value] of Object.entries(fields)) {
    const colon = key.indexOf(':')
    const field = key.slice(0, colon)
    const worker = key.slice(colon + 1)
    if (colon < 0 || !(FIELDS as readonly string[]).includes(field) || !/^[a-z0-9][a-z0-9._-]{0,99}$/.test(worker)) {
      report(key)
      continue
    }
    const values = byWorker.get(worker) ?? new Map<string, string>()
    byWorker.set(worker, values.set(field, value))
  }
  return new Map([...byWorker].map(([worker, values]) => [worker, readWorker(worker, values, report)]))
}

/** Reads one worker; what is malformed counts as absent. */
export function readWorker(name: string, values: ReadonlyMap<string, string>, report: ReportMalformed): StoredWorker {
  const read = <T>(field: (typeof FIELDS)[number], parse: (text: string) => T | undefined): T | undefined => {
    const text = values.get(field)
    if (text === undefined) return undefined
    try {
      const value = parse(text)
      if (value !== undefined) return value
    } catch {
      // Reported below like anything else that can not be read.
    }
    report(fieldOf(name, field))
    return undefined
  }
  const worker = {
    name,
    definition: read('definition', parseDefinition),
    override: read('override', parseOverride),
    paused: read('pause', parsePause),
    removedAt: read('removed', parseTombstone),
    orphanedAt: read('orphaned', parseNumber),
    decidedUpTo: read('decided', parseNumber),
    startedUpTo: read('started', parseNumber),
    active: read('active', parseActive),
    waiting: read('waiting', parseRecord),
    stuckRunId: read('stuck', (text) => text),
    lastRun: read('last', parseRecord),
    lastSuccess: read('success', parseRecord),
    lastFailure: read('failure', parseRecord),
    startMark: read('start', (text) => text),
    recentOutcomes: (values.get('recent') ?? '').split('').flatMap((letter) => OUTCOME_OF_LETTER.get(letter) ?? []),
    consecutiveFailures: read('failures', parseNumber) ?? 0,
  }
  return Object.fromEntries(
    Object.entries(worker).filter(([, value]) => value !== undefined),
  ) as unknown as StoredWorker
}
