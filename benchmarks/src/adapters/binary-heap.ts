import { type MemoryContestant, periodOf } from './memory-contestant.ts'

/** A limit, not a peer: a binary heap of due times that calls plain functions, with one timer and nothing else. */
export const binaryHeap: MemoryContestant = {
  name: 'binary heap (limit)',
  open: async (jobs) => {
    const heap = new Heap()
    return {
      start: () => {
        const now = Date.now()
        for (const job of jobs)
          heap.add({ due: () => void job.work(), periodMs: periodOf(job), dueAt: now + periodOf(job) })
        heap.arm()
      },
      stop: () => heap.close(),
    }
  },
}

interface Entry {
  readonly due: (dueAt: number) => void
  readonly periodMs: number
  dueAt: number
}

/** Due times in order, and one timer for the first. */
export class Heap {
  readonly #entries: Entry[] = []
  #timer: NodeJS.Timeout | undefined

  add(entry: Entry): void {
    this.#entries.push(entry)
    let index = this.#entries.length - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (this.#at(parent).dueAt <= this.#at(index).dueAt) break
      this.#swap(index, parent)
      index = parent
    }
  }

  arm(): void {
    const first = this.#entries[0]
    if (first) this.#timer = setTimeout(() => this.#ring(), Math.max(1, first.dueAt - Date.now()))
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #ring(): void {
    const now = Date.now()
    for (let first = this.#at(0); first.dueAt <= now; first = this.#at(0)) {
      const { dueAt } = first
      first.dueAt += first.periodMs
      this.#sinkFirst()
      first.due(dueAt)
    }
    this.arm()
  }

  #sinkFirst(): void {
    for (let index = 0; ; ) {
      let child = 2 * index + 1
      if (child >= this.#entries.length) return
      if (child + 1 < this.#entries.length && this.#at(child + 1).dueAt < this.#at(child).dueAt) child++
      if (this.#at(index).dueAt <= this.#at(child).dueAt) return
      this.#swap(index, child)
      index = child
    }
  }

  #at(index: number): Entry {
    return this.#entries[index] as Entry
  }

  #swap(one: number, other: number): void {
    const entry = this.#at(one)
    this.#entries[one] = this.#at(other)
    this.#entries[other] = entry
  }
}
