import { MAX_DATE_MS, nextDueAt, type Schedule } from './schedule.ts'

/** A slot that has come due: the latest one, and how many before it were passed over. All times in ms since the epoch. */
export interface Slot {
  readonly dueAt: number
  /** The slot after this one; `undefined` when there is none. */
  readonly nextDueAt: number | undefined
  /** How many slots before this one were due and not decided; exact for intervals, up to 1,000 for cron. */
  readonly missedSlots: number
}

/**
 * The latest slot at or before `now`, seen from `firstDueAt`, a slot that is already due. A late decision is about the
 * latest slot only, so a sleep of a month costs one decision and not a burst.
 */
export function latestDueSlot(schedule: Schedule, workerName: string, firstDueAt: number, now: number): Slot {
  if (schedule.kind === 'every') {
    const missedSlots = Math.max(0, Math.floor((now - firstDueAt) / schedule.periodMs))
    const dueAt = firstDueAt + missedSlots * schedule.periodMs
    return {
      dueAt,
      nextDueAt: dueAt + schedule.periodMs <= MAX_DATE_MS ? dueAt + schedule.periodMs : undefined,
      missedSlots,
    }
  }
  const key = `${schedule.timeZone} ${schedule.expression}`
  const known = latestWalks.get(key)
  if (known?.firstDueAt === firstDueAt && isLatest(known.slot, now)) return known.slot
  const slot = walkCron(schedule, workerName, firstDueAt, now)
  if (slot.missedSlots > 0) {
    if (latestWalks.size >= WALKS_KEPT) latestWalks.clear()
    latestWalks.set(key, { firstDueAt, slot })
  }
  return slot
}

/**
 * The last walk over slots that were passed over, by expression: after a sleep all workers with one expression have the same, and
 * together they would block the event loop for minutes.
 */
const WALKS_KEPT = 1_000
const latestWalks = new Map<string, { readonly firstDueAt: number; readonly slot: Slot }>()

function isLatest({ dueAt, nextDueAt: next }: Slot, now: number): boolean {
  return dueAt <= now && (next === undefined || now < next)
}

function walkCron(schedule: Schedule, workerName: string, firstDueAt: number, now: number): Slot {
  let dueAt = firstDueAt
  for (let missedSlots = 0; missedSlots < MAX_COUNTED_SLOTS; missedSlots++) {
    const next = nextDueAt(schedule, dueAt, workerName)
    if (next === undefined || next > now) return { dueAt, nextDueAt: next, missedSlots }
    dueAt = next
  }
  return latestCronSlot(schedule, workerName, dueAt, now)
}

/** Walking a cron slot by slot takes about 40 µs each; a month of seconds would block for two minutes. */
const MAX_COUNTED_SLOTS = 1_000

/** Bisects: the slot after `x` is due for every `x` before the latest slot, and not due from there on. */
function latestCronSlot(schedule: Schedule, workerName: string, knownDueAt: number, now: number): Slot {
  let dueAt = knownDueAt
  let next = nextDueAt(schedule, dueAt, workerName)
  let end = now
  while (next !== undefined && next <= now) {
    dueAt = next
    const middle = Math.floor((dueAt + end) / 2)
    const afterMiddle = middle > dueAt ? nextDueAt(schedule, middle, workerName) : undefined
    if (afterMiddle !== undefined && afterMiddle <= now) dueAt = afterMiddle
    else end = middle
    next = nextDueAt(schedule, dueAt, workerName)
  }
  return { dueAt, nextDueAt: next, missedSlots: MAX_COUNTED_SLOTS }
}
