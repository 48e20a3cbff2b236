import type { PauseInfo, RunRecord, ScheduleOverride } from '@background-workers/abstractions'
import type { RedisClient } from './redis-client.ts'
import type { Keys } from './keys.ts'
import {
  changeLocked,
  changeWorker,
  decideNonRun,
  decideRun,
  deleteWorker,
  finishRun,
  raiseDecided,
  setMarksBack,
  settleRun,
  undecideRun,
} from './scripts.ts'
import { type StoredDefinition, parseRecord, parseTime } from './stored-values.ts'
import {
  FIELDS,
  NO_VERSION,
  OUTCOME_LETTERS,
  type ReportMalformed,
  type StoredField,
  type StoredWithVersion,
  type StoredWorker,
  type StoredWorkers,
  VERSION_FIELD,
  allFieldsOf,
  fieldOf,
  firstVersion,
  groupByWorker,
  readWorker,
} from './stored-worker.ts'

/** The version of what we keep in Redis; data of a newer one is refused. */
export const DATA_VERSION = 1

/** A definition to be written. */
export interface Declaration {
  readonly name: string
  readonly definition: StoredDefinition
  readonly decidedUpTo: number | undefined
  readonly dropsOverride: boolean
  /** What goes back with it after Redis was emptied; what is there stays else. */
  readonly override?: ScheduleOverride | undefined
  readonly paused?: PauseInfo | undefined
}

/** A slot up to which a worker's slots are decided; its record where it waits for its jitter. */
export interface DecidedMark {
  readonly worker: string
  readonly slot: number
  readonly waiting?: RunRecord | undefined
}

/** How a run is decided. */
export interface RunClaim {
  /** Of this start of this run by this instance; `finish` needs it. */
  readonly token: string
  /** None for `start` and `manual`. */
  readonly slot: number | undefined
  /** Up to where slots were decided before it, by which it has counted the missed ones; none where nobody knows. */
  readonly decidedBefore: number | undefined
  /** The latest slot that had started before it, where one had. */
  readonly startedBefore?: number | undefined
  readonly keepRuns: number
  /** The run was lost and may be started once more. */
  readonly isRecovery: boolean
  /** It was planned by what was declared then, `startedBefore` and `activeBefore`, and may start only if they still hold. */
  readonly declaredVersion?: string | undefined
  /** What was stored then as the worker's active run, which is not in the way. */
  readonly activeBefore?: string | undefined
  /** For `runOnStart`: what it runs for, how long that holds where there is no release, and what had run before it. */
  readonly start?: { readonly mark: string; readonly windowMs?: number; readonly markBefore?: string | undefined }
}

/** With what a run starts. */
export interface RunStart {
  /** Of the last run of its worker that succeeded, in ms since the epoch. */
  readonly lastSucceededAtMs: number | undefined
}

/** Our own keys in Redis: definitions, marks and records. BullMQ's keys are not touched here. */
export class Store {
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #report: ReportMalformed

  constructor(client: RedisClient, keys: Keys, report: ReportMalformed) {
    this.#client = client
    this.#keys = keys
    this.#report = report
  }

  async readAll(): Promise<StoredWorkers> {
    return this.workersOf(await this.readFields())
  }

  /** All fields of all workers, for `workersOf`: field, value, field, … */
  async readFields(): Promise<readonly string[]> {
    // Not `hgetall()`, which makes an object of the answer (so does `call` in lower case): that takes a quarter of the time. A client
    // with `replyMapping: 'resp3'` gives one all the same.
    const answer = (await this.#client.call('HGETALL', this.#keys.workers)) as string[] | Record<string, string>
    return Array.isArray(answer) ? answer : Object.entries(answer).flat()
  }

  /** The workers that these fields are about. */
  workersOf(fields: readonly string[]): StoredWorkers {
    return groupByWorker(fields, this.#report)
  }

  /** Only what these fields say. */
  async read(worker: string, fields: readonly StoredField[] = FIELDS): Promise<StoredWorker> {
    return (await this.readWithVersion(worker, fields)).stored
  }

  /** The same, and of which version that is. */
  async readWithVersion(worker: string, fields: readonly StoredField[]): Promise<StoredWithVersion> {
    const names = fields.map((field) => fieldOf(worker, field))
    const [version, ...values] = await this.#client.hmget(this.#keys.workers, VERSION_FIELD, ...names)
    const activeText = values[fields.indexOf('active')] ?? undefined
    return { stored: readWorker(worker, fields, values, this.#report), version: version ?? NO_VERSION, activeText }
  }

  /**
   * Writes definitions; for each that is new, changed or back, its slots count from `decidedUpTo`. Gives `false`, and writes
   * nothing, when the caller no longer has the write lock. With nothing to write it does not look.
   */
  async declare(declarations: readonly Declaration[], lockToken: string): Promise<boolean> {
    if (declarations.length === 0) return true
    const sets: string[] = []
    const deletes: string[] = []
    for (const { name, definition, decidedUpTo, dropsOverride, override, paused } of declarations) {
      sets.push(fieldOf(name, 'definition'), JSON.stringify(definition))
      if (override) sets.push(fieldOf(name, 'override'), JSON.stringify(override))
      if (paused) sets.push(fieldOf(name, 'pause'), JSON.stringify(paused))
      if (decidedUpTo !== undefined) sets.push(fieldOf(name, 'decided'), String(decidedUpTo))
      deletes.push(fieldOf(name, 'removed'), fieldOf(name, 'orphaned'))
      if (dropsOverride) deletes.push(fieldOf(name, 'override'))
    }
    return this.#changeLocked(lockToken, sets, deletes)
  }

  /** Gives `false` when there is no such worker. */
  setPause(worker: string, paused: PauseInfo): Promise<boolean> {
    return this.#change(worker, { pause: JSON.stringify(paused) }, [])
  }

  clearPause(worker: string, now: number): Promise<boolean> {
    return this.#change(worker, { decided: String(now) }, ['pause'])
  }

  setOverride(
    worker: string,
    override: ScheduleOverride | undefined,
    decidedUpTo: number | undefined,
  ): Promise<boolean> {
    return this.#change(
      worker,
      {
        ...(override && { override: JSON.stringify(override) }),
        ...(decidedUpTo !== undefined && { decided: String(decidedUpTo) }),
      },
      override ? [] : ['override'],
    )
  }

  /** Leaves a tombstone, the records and the last runs. */
  remove(worker: string, now: number): Promise<boolean> {
    // The token tells a repeat of this call, whose answer was lost, from another removal in the same ms.
    return this.#change(worker, { removed: `${now} ${crypto.randomUUID()}` }, [
      'definition',
      'override',
      'pause',
      'orphaned',
      'decided',
      'start',
      'waiting',
    ])
  }

  /** Gives `false`, and writes nothing, when the caller no longer has the write lock. */
  setOrphaned(worker: string, now: number, lockToken: string): Promise<boolean> {
    return this.#changeLocked(lockToken, [fieldOf(worker, 'orphaned'), String(now)], [])
  }

  setStuck(worker: string, runId: string): Promise<boolean> {
    return this.#change(worker, { stuck: runId }, [])
  }

  /** Nothing is left of the worker, its records included. Gives `false`, and deletes nothing, when the write lock was lost. */
  async delete(worker: string, lockToken: string): Promise<boolean> {
    const args = [lockToken, versionStep(), allFieldsOf(worker)]
    return (await deleteWorker.run(this.#client, this.#lockedKeys(worker), args)) === 1
  }

  /** `waiting`: the slot waits for its jitter. */
  raiseDecided(worker: string, slot: number, waiting?: RunRecord): Promise<void> {
    return this.raiseAllDecided([{ worker, slot, waiting }])
  }

  async raiseAllDecided(marks: readonly DecidedMark[]): Promise<void> {
    const args = marks.flatMap(({ worker, slot, waiting }) => [worker, slot, waiting ? JSON.stringify(waiting) : ''])
    await raiseDecided.run(this.#client, [this.#keys.workers], args)
  }

  async clearWaiting(worker: string): Promise<void> {
    await this.#client.hdel(this.#keys.workers, fieldOf(worker, 'waiting'))
  }

  /** Sets the marks back to `now` after a clock was set back. Gives `false`, and changes nothing, when the write lock was lost. */
  async setMarksBack(worker: string, now: number, lockToken: string): Promise<boolean> {
    return (await setMarksBack.run(this.#client, this.#lockedKeys(worker), [lockToken, worker, now])) === 1
  }

  /**
   * Decides whether the caller is the one that may call `doWork`.
   *
   * @returns `'plan-again'` when what it was planned by no longer holds, or its count of missed slots is wrong
   */
  async decideRun(record: RunRecord, claim: RunClaim): Promise<RunStart | 'refused' | 'plan-again'> {
    const { worker, runId, startedAt } = record
    const { token, slot, decidedBefore, startedBefore, keepRuns, isRecovery, start, declaredVersion } = claim
    const decided = await decideRun.run(
      this.#client,
      [this.#keys.workers, this.#keys.records(worker), this.#keys.order(worker, 'runs')],
      [
        worker,
        runId,
        slot ?? '',
        JSON.stringify(record),
        startedAt?.getTime() ?? 0,
        keepRuns,
        token,
        isRecovery ? '1' : '',
        start?.mark ?? '',
        start?.windowMs ?? '',
        decidedBefore ?? '',
        declaredVersion ?? '',
        startedBefore ?? '',
        claim.activeBefore ?? '',
      ],
    )
    if (decided === -1) return 'plan-again'
    return Array.isArray(decided) ? { lastSucceededAtMs: parseTime(String(decided[0])) } : 'refused'
  }

  /** Takes back that a run was decided, which has not called `doWork`. Gives `false`, and changes nothing, when it can not. */
  async undecideRun({ worker, runId }: RunRecord, claim: RunClaim): Promise<boolean> {
    const { token, slot, startedBefore, start, isRecovery } = claim
    const undecided = await undecideRun.run(
      this.#client,
      [this.#keys.workers, this.#keys.records(worker), this.#keys.order(worker, 'runs')],
      [
        worker,
        runId,
        token,
        slot ?? '',
        startedBefore ?? '',
        start?.mark ?? '',
        start?.markBefore ?? '',
        isRecovery ? firstStartOf(runId) : '',
      ],
    )
    return undecided === 1
  }

  /**
   * Gives whether this call decided it; to a tick, `undefined` when an earlier slot was decided since it read the worker.
   *
   * @param byTick - What a tick has read of the worker, by which it has counted the missed slots, and after which slot.
   */
  async decideNonRun(
    record: RunRecord,
    slot: number | undefined,
    keepRuns: number,
    byTick?: Pick<StoredWorker, 'decidedUpTo'> & { readonly countsAfter?: number },
  ): Promise<boolean | undefined> {
    const { worker, runId, finishedAt, outcome, missedSlots = 0 } = record
    const order = this.#keys.order(worker, outcome === 'aborted' ? 'runs' : 'non-runs')
    const decided = await decideNonRun.run(
      this.#client,
      [this.#keys.workers, this.#keys.records(worker), order],
      [
        worker,
        runId,
        slot ?? '',
        JSON.stringify(record),
        finishedAt?.getTime() ?? 0,
        keepRuns,
        OUTCOME_LETTERS[outcome ?? 'skipped'],
        byTick ? (byTick.decidedUpTo ?? 'none') : '',
        byTick && slot !== undefined && missedSlots > 0 ? `${byTick.countsAfter ?? 0} ${slot}` : '',
      ],
    )
    return decided === -1 ? undefined : decided === 1
  }

  /**
   * Gives how many runs in a row have failed, or `undefined` when the run is no longer the caller's.
   *
   * @param field - Where the record goes: not under the run id for the first start of a run that is started once more.
   */
  async finishRun(
    record: RunRecord,
    token: string,
    keepRuns: number,
    isSettled: boolean,
    field: string = record.runId,
  ): Promise<number | undefined> {
    const { worker, startedAt, outcome } = record
    // Another instance may find it lost in the same millisecond; only a repeat of this call is to get the same answer.
    const text = JSON.stringify(outcome === 'lost' ? { ...record, finding: crypto.randomUUID() } : record)
    const finished = await finishRun.run(
      this.#client,
      [this.#keys.workers, this.#keys.records(worker), this.#keys.order(worker, 'runs')],
      [
        worker,
        field,
        token,
        text,
        startedAt?.getTime() ?? 0,
        keepRuns,
        OUTCOME_LETTERS[outcome ?? 'lost'],
        isSettled ? '1' : '',
        record.runId,
      ],
    )
    return finished === -1 ? undefined : Number(finished)
  }

  async settleRun(worker: string, token: string): Promise<void> {
    await settleRun.run(this.#client, [this.#keys.workers], [worker, token])
  }

  async hasRecord(worker: string, field: string): Promise<boolean> {
    return (await this.#client.hexists(this.#keys.records(worker), field)) === 1
  }

  /** Newest first. */
  async records(worker: string, limit: number | undefined): Promise<RunRecord[]> {
    // In this order: what ends between the two reads is then in the records, and not twice in the answer.
    const { lastSuccess, lastFailure } = await this.read(worker)
    const texts = await this.#client.hvals(this.#keys.records(worker))
    const records = texts.flatMap((text) => this.#parseRecord(worker, text))
    for (const last of [lastSuccess, lastFailure]) {
      if (last && !records.some((record) => record.runId === last.runId && record.outcome === last.outcome))
        records.push(last)
    }
    return records.sort((one, other) => decidedAt(other) - decidedAt(one)).slice(0, limit)
  }

  async #change(worker: string, sets: Readonly<Record<string, string>>, deletes: readonly string[]): Promise<boolean> {
    const pairs = Object.entries(sets).flatMap(([field, value]) => [`${field}:${worker}`, value])
    const changed = await changeWorker.run(
      this.#client,
      [this.#keys.workers],
      [
        versionStep(),
        fieldOf(worker, 'definition'),
        pairs.length / 2,
        ...pairs,
        ...deletes.map((field) => `${field}:${worker}`),
      ],
    )
    return changed === 1
  }

  async #changeLocked(lockToken: string, sets: readonly string[], deletes: readonly string[]): Promise<boolean> {
    const changed = await changeLocked.run(
      this.#client,
      [this.#keys.workers, this.#keys.writeLock],
      [lockToken, firstVersion(), versionStep(), sets.length, sets, deletes],
    )
    return changed === 1
  }

  #lockedKeys(worker: string): string[] {
    const { workers, writeLock } = this.#keys
    const orders = [this.#keys.order(worker, 'runs'), this.#keys.order(worker, 'non-runs')]
    return [workers, writeLock, this.#keys.records(worker), ...orders]
  }

  #parseRecord(worker: string, text: string): RunRecord[] {
    try {
      const record = parseRecord(text)
      if (record) return [record]
    } catch {
      // Reported like any record that can not be read.
    }
    this.#report(`records:${worker}`)
    return []
  }
}

/** Not always 1: a Redis that has lost what was written last must not come to a version that was there before. */
function versionStep(): number {
  return 1 + Math.floor(Math.random() * 1_000_000)
}

function decidedAt(record: RunRecord): number {
  return (record.startedAt ?? record.finishedAt ?? record.scheduledFor).getTime()
}

/** The record of the first start of a run that is started again goes under this name. */
export function firstStartOf(runId: string): string {
  return `${runId}~first`
}
