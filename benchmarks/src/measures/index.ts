import { driftBusy, driftIdle } from './drift.ts'
import { importBullMq, importDefault } from './import-time.ts'
import type { Measure } from './measure.ts'
import { redisIdle } from './redis-idle.ts'
import { redisRoundTrips } from './redis-round-trips.ts'
import { floorAt1S, floorOfARun, runsAt10Ms, runsAt1S, runsUnwatched } from './runs-in-memory.ts'
import { redisCommands, redisHerd, redisLateness, redisSaturated } from './runs-on-redis.ts'
import { startCrons, startIntervals, startSameCron } from './start-in-memory.ts'
import { startFirst, startUnchanged } from './start-on-redis.ts'

/** All of them, in the order of the report. */
export const measures: readonly Measure[] = [
  startIntervals,
  startCrons,
  startSameCron,
  runsAt10Ms,
  floorOfARun,
  runsAt1S,
  floorAt1S,
  runsUnwatched,
  driftIdle,
  driftBusy,
  importDefault,
  startUnchanged(1_000),
  startUnchanged(10_000),
  startFirst(1_000),
  startFirst(10_000),
  redisIdle(10),
  redisIdle(1_000),
  redisCommands,
  redisSaturated,
  redisLateness,
  redisHerd,
  importBullMq,
  redisRoundTrips,
]
