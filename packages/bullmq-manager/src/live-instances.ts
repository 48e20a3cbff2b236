import { DEAD_AFTER_MS, type Instance, liveInstances } from './instances.ts'

/** After a silence of its own of so long an instance can not tell who has died: who lived may be heard a little later than it. */
const SILENCE_MS = (2 / 3) * DEAD_AFTER_MS

/**
 * Which instances live, as one of them sees it with its heartbeats. After an outage, when Redis was emptied or its clock was set,
 * those that lived before have 30 s to beat again: else the first one that is back would think that it is alone.
 */
export class LiveInstances {
  #all: readonly Instance[] = []
  #awaited: readonly Instance[] = []
  #awaitedUntil = 0
  #notedAt = Number.POSITIVE_INFINITY

  /** As the last heartbeat saw them. */
  get all(): readonly Instance[] {
    return this.#all
  }

  /** Takes up a heartbeat: the instances that have one, and whether Redis was emptied since the one before. */
  note(instances: readonly Instance[], now: number, wasEmptied: boolean): void {
    if (wasEmptied || Math.abs(now - this.#notedAt) > SILENCE_MS) {
      const hasLived = (one: Instance) => isAmong(this.#all, one) || one.lastSeenAt > this.#notedAt
      // One that has stopped leaves no heartbeat.
      this.#awaited = wasEmptied ? this.#all : instances.filter(hasLived)
      this.#awaitedUntil = now + DEAD_AFTER_MS
    }
    this.#notedAt = now
    this.#all = this.among(instances, now)
    const fresh = liveInstances(instances, now)
    this.#awaited = this.#awaited.filter((one) => !isAmong(fresh, one))
  }

  /** Those of these that live, and those that are waited for. */
  among(instances: readonly Instance[], now: number): readonly Instance[] {
    const fresh = liveInstances(instances, now)
    if (now >= this.#awaitedUntil) return fresh
    return [...fresh, ...this.#awaited.filter((one) => !isAmong(fresh, one))]
  }
}

function isAmong(instances: readonly Instance[], { instanceId }: Instance): boolean {
  return instances.some((other) => other.instanceId === instanceId)
}
