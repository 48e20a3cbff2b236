import { bullMqManager } from './bullmq-manager.ts'
import {
  bareTwoStage,
  compareFirst,
  promisedTwoStage,
  queuePerWorker,
  rawBullMq,
  rawBullMqAllAtOnce,
  rawBullMqOneByOne,
  recordedTwoStage,
  startFloor,
} from './raw-bullmq.ts'
import type { RedisContestant } from './redis-contestant.ts'

const all: readonly RedisContestant[] = [
  bullMqManager,
  rawBullMq,
  rawBullMqOneByOne,
  rawBullMqAllAtOnce,
  queuePerWorker,
  bareTwoStage,
  recordedTwoStage,
  promisedTwoStage,
  compareFirst,
  startFloor,
]

/** @throws when there is none of that name */
export function redisContestant(name: string): RedisContestant {
  const found = all.find((contestant) => contestant.name === name)
  if (!found) throw new Error(`There is no contestant "${name}".`)
  return found
}
