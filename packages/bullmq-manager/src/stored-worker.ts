import type { PauseInfo, RunOutcome, RunRecord, ScheduleOverride } from '@background-workers/abstractions'
import { isSlug } from '@background-workers/abstractions/for-managers'
import {
  type ActiveInStore,
  type Raise,
  type StoredDefinition,
  parseActive,
  parseDefinition,
  parseNumber,
  parseOverride,
  parsePause,
  parseRaise,
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
  /** Which slots the last non-run counts as missed: those after the first and before the second of two times. */
  readonly countedAsMissed?: string
  /** How a tick that added a run raised the mark up to which slots are decided. */
  readonly lastRaise?: Raise
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

/** All workers at one moment. */
export interface StoredWorkers {
  /** Another one whenever a definition, an override, a pause or the like of any of them changes. */
  readonly version: string
  readonly workers: ReadonlyMap<string, StoredWorker>
}

/** The field of the hash that says the version. */
export const VERSION_FIELD = 'version'

/** Before anything has changed. */
export const NO_VERSION = '0'

/** One worker, and of which version that is. */
export interface StoredWithVersion {
  readonly stored: StoredWorker
  readonly version: string
  /** Its active run as it is stored, also where that can not be read. */
  readonly activeText: string | undefined
}

/** So many digits of a version count changes. Those before them are the same for one life of the data. */
const COUNT_DIGITS = 13

/** The version that data begins with; at random, so that it is another one when Redis was emptied. */
export function firstVersion(): string {
  return `${1 + Math.floor(Math.random() * 900_000)}${'0'.repeat(COUNT_DIGITS)}`
}

/** Which life of the data a version is of: Redis was emptied between two that differ. */
export function lifeOf(version: string): string {
  return version === NO_VERSION ? version : version.slice(0, -COUNT_DIGITS)
}

/** What is known of a worker, and of which version that is. */
export interface KnownVersion {
  readonly worker: KnownWorker
  readonly version: string
}

/** What is declared of a worker, and what was rescheduled. */
export function declarationOf({ definition, override }: KnownWorker): Pick<KnownWorker, 'definition' | 'override'> {
  return { definition, ...(override && { override }) }
}

/** What each field of a worker is called here, and how it is read. */
const READERS = {
  definition: ['definition', parseDefinition],
  decided: ['decidedUpTo', parseNumber],
  override: ['override', parseOverride],
  pause: ['paused', parsePause],
  removed: ['removedAt', parseTombstone],
  orphaned: ['orphanedAt', parseNumber],
  started: ['startedUpTo', parseNumber],
  counted: ['countedAsMissed', (text: string) => text],
  raised: ['lastRaise', parseRaise],
  active: ['active', parseActive],
  waiting: ['waiting', parseRecord],
  stuck: ['stuckRunId', (text: string) => text],
  last: ['lastRun', parseRecord],
  success: ['lastSuccess', parseRecord],
  failure: ['lastFailure', parseRecord],
  failures: ['consecutiveFailures', parseNumber],
  recent: ['recentOutcomes', parseOutcomes],
  start: ['startMark', (text: string) => text],
} satisfies Record<string, readonly [keyof StoredWorker, (text: string) => unknown]>

/** One of the fields. */
export type StoredField = keyof typeof READERS

/** All of them. */
export const FIELDS = Object.keys(READERS) as readonly StoredField[]

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
] as const satisfies readonly StoredField[]

/** The fields that are read to plan a run. */
export const RUN_FIELDS = [...TICK_FIELDS, 'raised', 'start'] as const satisfies readonly StoredField[]

/** The name of one field of a worker. */
export function fieldOf(worker: string, field: StoredField): string {
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

function parseOutcomes(letters: string): RunOutcome[] {
  return letters.split('').flatMap((letter) => OUTCOME_OF_LETTER.get(letter) ?? [])
}

/** Says of what is in Redis that it can not be read. */
export type ReportMalformed = (field: string) => void

/** Sorts the fields of the hash (field, value, field, …) by worker. What does not look like ours is reported and left alone. */
export function groupByWorker(flat: readonly string[], report: ReportMalformed): StoredWorkers {
  let version = NO_VERSION
  const byWorker = new Map<string, FieldTexts>()
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const key = flat[index] as string
    const colon = key.indexOf(':')
    const number = FIELD_NUMBERS.get(key.slice(0, colon))
    const worker = key.slice(colon + 1)
    let texts = byWorker.get(worker)
    if (colon < 0 || number === undefined || (!texts && isSlug(worker) !== undefined)) {
      if (key === VERSION_FIELD) version = flat[index + 1] as string
      else report(key)
      continue
    }
    if (!texts) {
      // Of a worker that never ran there are the first two: to look for the others would take half as long again.
      texts = []
      byWorker.set(worker, texts)
    }
    texts[number] = flat[index + 1]
  }
  const workers = new Map<string, StoredWorker>()
  for (const [worker, texts] of byWorker) workers.set(worker, readWorker(worker, FIELDS, texts, report))
  return { version, workers }
}

const FIELD_NUMBERS: ReadonlyMap<string, number> = new Map(FIELDS.map((field, number) => [field, number]))

/**
 * Fields of a worker as they are in Redis, in an order that is known: one that is not there is left out. Not by name: objects that are
 * filled in another order each, as a hash gives them, make Node take half as long again to read workers that have run.
 */
type FieldTexts = (string | null | undefined)[]

/** Reads some fields of one worker; what is malformed counts as absent. */
export function readWorker(
  name: string,
  fields: readonly StoredField[],
  texts: Readonly<FieldTexts>,
  report: ReportMalformed,
): StoredWorker {
  const worker: Record<string, unknown> = { name, recentOutcomes: NO_OUTCOMES, consecutiveFailures: 0 }
  for (let index = 0; index < texts.length; index++) {
    const text = texts[index]
    if (text === undefined || text === null) continue
    const field = fields[index] as StoredField
    const [key, parse] = READERS[field]
    const value = parseSafely(parse, text)
    if (value === undefined) report(fieldOf(name, field))
    else worker[key] = value
  }
  return worker as unknown as StoredWorker
}

const NO_OUTCOMES: readonly RunOutcome[] = Object.freeze([])

function parseSafely(parse: (text: string) => unknown, text: string): unknown {
  try {
    return parse(text)
  } catch {
    // Reported like anything else that can not be read.
    return undefined
  }
}
