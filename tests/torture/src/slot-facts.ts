import type { RunRecord } from '@background-workers/abstractions'
import { isSlotRun } from '@background-workers/abstractions/for-managers'
import type { Body, History, NonRun } from './history.ts'
import { type Rhythm, type TortureWorker, isSlotOf } from './workers.ts'

/** Everything that was decided of one slot. */
export interface SlotFacts {
  readonly bodies: Body[]
  readonly records: RunRecord[]
  readonly nonRuns: NonRun[]
  /** The later records that count it as missed. */
  readonly countedBy: Counting[]
}

interface Counting {
  readonly runId: string
  readonly instanceId: string
  readonly at: number
}

/** Assigns runs and records to slots. */
export function gatherSlots(
  worker: TortureWorker,
  history: History,
  bodies: readonly Body[],
  rhythms: readonly Rhythm[],
): Map<number, SlotFacts> {
  const slots = new Map<number, SlotFacts>()
  const factsOf = (slot: number): SlotFacts => {
    const facts = slots.get(slot) ?? { bodies: [], records: [], nonRuns: [], countedBy: [] }
    slots.set(slot, facts)
    return facts
  }
  const countMissed = ({ runId, instanceId, scheduledFor, missedSlots = 0 }: RunRecord, at: number) => {
    const slot = scheduledFor.getTime()
    const fitting = rhythms.filter((rhythm) => isSlotOf(rhythm, slot))
    for (const { periodMs } of fitting) {
      for (let back = 1; back <= missedSlots; back++)
        factsOf(slot - back * periodMs).countedBy.push({ runId, instanceId, at })
    }
  }
  for (const body of bodies) if (body.slot !== undefined) factsOf(body.slot).bodies.push(body)
  for (const record of history.runRecords) {
    if (record.worker !== worker.name || !isSlotRun(record)) continue
    factsOf(record.scheduledFor.getTime()).records.push(record)
    countMissed(record, record.startedAt?.getTime() ?? record.scheduledFor.getTime())
  }
  for (const nonRun of history.nonRuns) {
    if (nonRun.record.worker !== worker.name || !isSlotRun(nonRun.record)) continue
    factsOf(nonRun.record.scheduledFor.getTime()).nonRuns.push(nonRun)
    countMissed(nonRun.record, nonRun.at)
  }
  return slots
}

/** What one process, or instance, has to do with it. */
export function factsIn(facts: SlotFacts, process: number | undefined, instance: string | undefined): SlotFacts {
  const isMine = ({ instanceId }: { readonly instanceId: string }) => instanceId === instance
  return {
    bodies: facts.bodies.filter((body) => body.process === process),
    records: facts.records.filter(isMine),
    nonRuns: facts.nonRuns.filter(({ record }) => isMine(record)),
    countedBy: facts.countedBy.filter(isMine),
  }
}

/** Whether anything was decided. */
export function isDecided({ bodies, records, nonRuns, countedBy }: SlotFacts): boolean {
  return bodies.length + records.length + nonRuns.length + countedBy.length > 0
}

/** Whether it ran, or was to. */
export function hasRun({ bodies, records }: SlotFacts): boolean {
  return bodies.length > 0 || records.length > 0
}

/** Whether it did not run, though it was not late. */
export function isSkipped({ outcome }: RunRecord): boolean {
  return outcome === 'skipped'
}

/** When `doWork` began, by the journals and by the records. */
export function beginsOf({ bodies, records }: SlotFacts): number[] {
  return [...bodies.map(({ from }) => from), ...records.flatMap((record) => record.startedAt?.getTime() ?? [])]
}

/** When something was first decided. */
export function decidedAt(facts: SlotFacts): number {
  return Math.min(...beginsOf(facts), ...[...facts.nonRuns, ...facts.countedBy].map(({ at }) => at))
}
