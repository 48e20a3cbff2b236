import { binaryHeap } from './binary-heap.ts'
import { checkedAdd } from './checked-add.ts'
import { cron } from './cron.ts'
import { croner } from './croner.ts'
import {
  defaultManager,
  defaultManagerCron,
  defaultManagerFull,
  defaultManagerGiven,
  defaultManagerUnpublished,
  defaultManagerWatched,
} from './default-manager.ts'
import { floors } from './floor.ts'
import type { MemoryContestant } from './memory-contestant.ts'
import { nestSchedule } from './nest-schedule.ts'
import { nodeCron } from './node-cron.ts'
import { rawSetInterval } from './set-interval.ts'
import { toadScheduler } from './toad-scheduler.ts'

const all: readonly MemoryContestant[] = [
  defaultManager,
  defaultManagerCron,
  defaultManagerFull,
  defaultManagerGiven,
  defaultManagerUnpublished,
  defaultManagerWatched,
  rawSetInterval,
  toadScheduler,
  nestSchedule,
  croner,
  nodeCron,
  cron,
  binaryHeap,
  checkedAdd,
  ...floors,
]

/** @throws when there is none of that name */
export function memoryContestant(name: string): MemoryContestant {
  const found = all.find((contestant) => contestant.name === name)
  if (!found) throw new Error(`There is no contestant "${name}".`)
  return found
}
