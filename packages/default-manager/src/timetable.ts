import type { Clock, TimerHandle } from '@background-workers/abstractions'
import { MAX_WAIT_MS, OVERDUE_AFTER_MS, Run } from '@background-workers/abstractions/for-managers'

/** Something with a due time. The timetable keeps both fields. */
export interface Appointment {
  /** In ms since the epoch, until its owner is told that it has come; `undefined` while nothing is to come. */
  dueAt: number | undefined
  /** Its place in the timetable; -1 while it is not there. */
  heapIndex: number
}

/** A smaller step back than this is the clock being trimmed; no schedule has finer slots that matter. */
const STEP_BACK_MS = 1_000

/** By so much the wall clock may drift from the monotonic one between two rings; more is a step. */
const MAX_DRIFT_MS = 1_000

/** What the timetable tells its owner. */
export interface TimetableHost<T> {
  readonly clock: Clock
  /** It has come due at `dueAt` and is out of the timetable now. */
  due(appointment: T, dueAt: number): void
  /** The wall clock was set back. */
  steppedBack(): void
  /** It rings: told before anything has come due. The wall clock was set by so many ms since it last looked; 0 when it was not. */
  ringing(steppedMs: number): void
  /** It is still in the timetable, and was due long ago: the first that comes due in this ring, and not the others. */
  overdue(appointment: T): void
}

/**
 * All due times in one order (a binary heap), and one alarm for the earliest: 100,000 workers cost one timer.
 * The alarm compares due times with the wall clock; one that rings early is armed again.
 */
export class Timetable<T extends Appointment> {
  readonly #host: TimetableHost<T>
  readonly #heap: T[] = []
  /** Of what is in the heap, by its place: finding an order looks at numbers side by side, and at no appointment. */
  readonly #dueAts: number[] = []
  #isOpen = false
  #isRinging = false
  #alarm: TimerHandle | undefined
  #alarmAt = Number.POSITIVE_INFINITY
  /** The latest time that was seen since the last step back. */
  #latestNow = Number.NEGATIVE_INFINITY
  /** When the alarm ought to ring, on the monotonic clock. */
  #ringsAt = Number.POSITIVE_INFINITY
  /** How far the wall clock was ahead of the monotonic one when it was looked at; none while nothing is to come. */
  #aheadMs: number | undefined
  #hasMissedAlarm = false

  constructor(host: TimetableHost<T>) {
    this.#host = host
  }

  /** The one that is due first. */
  get first(): T | undefined {
    return this.#heap[0]
  }

  /** Whether the alarm rings when it is due. Once it has not, that is so until it rings by itself again. */
  get isRingingInTime(): boolean {
    if (this.#host.clock.monotonicNow() - this.#ringsAt > OVERDUE_AFTER_MS) this.#hasMissedAlarm = true
    return !this.#hasMissedAlarm
  }

  /** From now on what comes due is told. */
  open(): void {
    this.#isOpen = true
    this.#arm()
  }

  /** Takes the alarm back and forgets everything. */
  close(): void {
    this.#isOpen = false
    this.#disarm()
    for (const item of this.#heap) {
      item.dueAt = undefined
      item.heapIndex = -1
    }
    this.#heap.length = 0
    this.#dueAts.length = 0
    this.#latestNow = Number.NEGATIVE_INFINITY
    this.#aheadMs = undefined
    this.#hasMissedAlarm = false
  }

  /** Enters an appointment, or moves it. `undefined` takes it out. `now` is what the clock has just said. */
  set(item: T, dueAt: number | undefined, now: number = this.#host.clock.now()): void {
    if (dueAt === undefined) {
      this.#take(item)
      item.dueAt = undefined
      return
    }
    // Due times that are reckoned from a later time than any ring has seen show a step back too.
    this.#latestNow = Math.max(this.#latestNow, now)
    const isNew = item.heapIndex < 0
    item.dueAt = dueAt
    if (isNew) this.#place(item, dueAt, this.#heap.length)
    this.#rise(item, dueAt)
    if (!isNew) this.#sink(item, dueAt)
    if (dueAt < this.#alarmAt && this.#isOpen && !this.#isRinging) this.#arm()
  }

  /** Looks at the clock now. Also what the alarm does. */
  ring(): void {
    this.#disarm()
    this.#isRinging = true
    try {
      const now = this.#host.clock.now()
      const isSetBack = this.#isSetBack(now)
      this.#latestNow = isSetBack ? now : Math.max(this.#latestNow, now)
      this.#host.ringing(this.#steppedMs(now))
      if (isSetBack) this.#host.steppedBack()
      const first = this.#heap[0]
      if (first !== undefined && now - dueAtOf(first) > OVERDUE_AFTER_MS) this.#host.overdue(first)
      for (const { item, dueAt } of this.#takeDue(now)) {
        // What was told before it in this ring may have entered it again.
        if (item.heapIndex < 0) item.dueAt = undefined
        this.#host.due(item, dueAt)
      }
    } finally {
      this.#isRinging = false
      this.#arm()
    }
  }

  /**
   * All at once: what the owner does with one may enter others that are due already, and they must not starve the loop. Each
   * keeps its due time until it is told, so that nobody takes it for one without.
   */
  #takeDue(now: number): { readonly item: T; readonly dueAt: number }[] {
    const due = []
    for (let item = this.#heap[0]; item !== undefined && dueAtOf(item) <= now; item = this.#heap[0]) {
      due.push({ item, dueAt: dueAtOf(item) })
      this.#take(item)
    }
    return due
  }

  #arm(): void {
    this.#disarm()
    const first = this.#heap[0]
    if (!this.#isOpen || first === undefined) {
      this.#aheadMs = undefined
      return
    }
    const now = this.#host.clock.now()
    // A step back that shows here is seen to at once: an alarm that is moved again and again must not put it off.
    const waitMs = this.#isSetBack(now) ? 1 : Math.min(Math.max(1, dueAtOf(first) - now), MAX_WAIT_MS)
    this.#alarmAt = dueAtOf(first)
    const monotonicNow = this.#host.clock.monotonicNow()
    this.#ringsAt = monotonicNow + waitMs
    // While nothing was to come nobody looked, and a clock that is trimmed drifts.
    this.#aheadMs ??= now - monotonicNow
    this.#alarm = this.#host.clock.setTimer(() => {
      this.#hasMissedAlarm = false
      Run.outside(() => this.ring())
    }, waitMs)
  }

  #steppedMs(now: number): number {
    const aheadMs = now - this.#host.clock.monotonicNow()
    const steppedMs = this.#aheadMs === undefined ? 0 : Math.round(aheadMs - this.#aheadMs)
    this.#aheadMs = aheadMs
    return Math.abs(steppedMs) > MAX_DRIFT_MS ? steppedMs : 0
  }

  #isSetBack(now: number): boolean {
    return now < this.#latestNow - STEP_BACK_MS
  }

  #disarm(): void {
    if (this.#alarm !== undefined) this.#host.clock.clearTimer(this.#alarm)
    this.#alarm = undefined
    this.#alarmAt = Number.POSITIVE_INFINITY
    this.#ringsAt = Number.POSITIVE_INFINITY
  }

  #take(item: T): void {
    const { heapIndex } = item
    if (heapIndex < 0) return
    item.heapIndex = -1
    const last = this.#heap.pop() as T
    const lastDueAt = this.#dueAts.pop() as number
    if (last === item) return
    this.#place(last, lastDueAt, heapIndex)
    this.#rise(last, lastDueAt)
    this.#sink(last, lastDueAt)
  }

  #dueAtIn(index: number): number {
    return this.#dueAts[index] as number
  }

  #place(item: T, dueAt: number, index: number): void {
    this.#heap[index] = item
    this.#dueAts[index] = dueAt
    item.heapIndex = index
  }

  #move(from: number, to: number): void {
    const item = this.#heap[from] as T
    this.#heap[to] = item
    this.#dueAts[to] = this.#dueAtIn(from)
    item.heapIndex = to
  }

  #rise(item: T, dueAt: number): void {
    let index = item.heapIndex
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      if (this.#dueAtIn(parentIndex) <= dueAt) break
      this.#move(parentIndex, index)
      index = parentIndex
    }
    this.#place(item, dueAt, index)
  }

  #sink(item: T, dueAt: number): void {
    const size = this.#heap.length
    let index = item.heapIndex
    for (;;) {
      let childIndex = 2 * index + 1
      if (childIndex >= size) break
      if (childIndex + 1 < size && this.#dueAtIn(childIndex + 1) < this.#dueAtIn(childIndex)) childIndex++
      if (this.#dueAtIn(childIndex) >= dueAt) break
      this.#move(childIndex, index)
      index = childIndex
    }
    this.#place(item, dueAt, index)
  }
}

/** What is in the heap has a due time. */
function dueAtOf(item: Appointment): number {
  return item.dueAt as number
}
