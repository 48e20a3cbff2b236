import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, patiently } from './cluster.ts'
import type { Fault } from './script.ts'
import type { Seat } from './seat.ts'

/** So long is waited until a process gets the run that the fault needs. */
const RUN_COMES_WITHIN_MS = 20_000

/** How long a marathon takes that is isolated: longer than the isolation. */
const MARATHON_MS = 60_000

let pauses = 0

/**
 * Carries a fault out and undoes it; resolves when it is over. It waits until the processes that it is for are up and free.
 * Both ends are noted, also of one for which there was no occasion.
 */
export async function carryOut(fault: Fault, index: number, cluster: Cluster): Promise<void> {
  const { journal } = cluster
  let hasBegun = false
  const begin = () => {
    if (!hasBegun) journal.write({ event: 'fault', index, fault })
    hasBegun = true
  }
  const isDone = await breakIt(fault, cluster, begin)
  if (hasBegun) journal.write({ event: isDone ? 'fault-over' : 'fault-called-off', index, fault })
}

/** Gives `false` when there was no occasion for it. */
async function breakIt(fault: Fault, cluster: Cluster, begin: () => void): Promise<boolean> {
  const { kind, forMs, ms = 0 } = fault
  const { redis, manager, observer } = cluster
  const seats = fault.seats.map((number) => cluster.seats[number] as Seat)
  const one = seats[0] as Seat
  const eachInTurn = (work: (seat: Seat) => Promise<void>) =>
    Promise.all(
      seats.map((seat) =>
        seat.inTurn(() => {
          begin()
          return work(seat)
        }),
      ),
    )
  switch (kind) {
    case 'kill':
      await one.inTurn(() => {
        begin()
        return one.kill(forMs)
      })
      return true
    case 'suspend':
    case 'suspend-briefly':
      await one.inTurn(async () => {
        begin()
        one.signal('SIGSTOP')
        await sleep(forMs)
        one.signal('SIGCONT')
      })
      return true
    case 'block':
    case 'block-long':
      await one.inTurn(() => {
        begin()
        return one.ask({ what: 'block', forMs })
      })
      return true
    case 'clock':
      await one.inTurn(async () => {
        begin()
        await one.ask({ what: 'clock', offsetMs: ms })
        await sleep(forMs)
        await one.ask({ what: 'clock', offsetMs: 0 })
      })
      return true
    case 'restart':
      await eachInTurn((seat) => seat.restart())
      return true
    case 'release-up':
    case 'release-down': {
      begin()
      cluster.release += kind === 'release-up' ? 1 : -1
      const { release } = cluster
      for (const seat of seats) await seat.inTurn(() => seat.restart(release))
      return true
    }
    case 'crash-run':
    case 'crash-recovering':
      return one.inTurn(async () => {
        begin()
        await one.ask({ what: 'crash-next', worker: kind === 'crash-run' ? 'crashing' : 'recovering' })
        const hasDied = await one.diesWithin(RUN_COMES_WITHIN_MS)
        if (hasDied) await one.started
        else await one.ask({ what: 'crash-next', worker: undefined })
        return hasDied
      })
    case 'cut':
      await eachInTurn(async ({ proxy }) => proxy.cut())
      return true
    case 'refuse':
      await eachInTurn(async ({ proxy }) => {
        proxy.refuse()
        proxy.cut()
        await sleep(forMs)
        await proxy.accept()
      })
      return true
    case 'delay':
      await eachInTurn(async ({ proxy }) => {
        proxy.delay(ms)
        await sleep(forMs)
        proxy.delay(0)
      })
      return true
    case 'half-open':
      await eachInTurn(async ({ proxy }) => {
        proxy.freeze()
        await sleep(forMs)
        proxy.thaw()
      })
      return true
    case 'isolate':
      return one.inTurn(async () => {
        const begins = one.beginsMarathonWithin(RUN_COMES_WITHIN_MS)
        await one.ask({ what: 'long-next', forMs: MARATHON_MS })
        const hasBegun = await begins
        if (hasBegun) {
          begin()
          one.proxy.freeze()
          await sleep(forMs)
          one.proxy.thaw()
        } else await one.ask({ what: 'long-next', forMs: 0 })
        return hasBegun
      })
    case 'redis-restart':
      await cluster.redisInTurn(() => {
        begin()
        return redis.restart()
      })
      return true
    case 'redis-kill':
      await cluster.redisInTurn(async () => {
        begin()
        await redis.kill()
        await sleep(forMs)
        await redis.restart()
      })
      return true
    case 'redis-pause':
      await cluster.redisInTurn(async () => {
        begin()
        await redis.cli('CLIENT', 'PAUSE', String(forMs), 'ALL')
        await sleep(forMs)
      })
      return true
    case 'redis-empty':
      await cluster.redisInTurn(async () => {
        await cluster.collectRecords()
        begin()
        cluster.journal.write({ event: 'emptying' })
        await redis.cli('FLUSHALL')
      })
      return true
    case 'pause': {
      const pauseNumber = ++pauses
      begin()
      cluster.journal.write({ event: 'pausing', worker: 'paused', pauseNumber })
      if (observer) await patiently(() => observer.pause('paused'))
      else await Promise.all(cluster.seats.map((seat) => seat.ask({ what: 'pause', worker: 'paused' })))
      await sleep(forMs)
      if (observer) await patiently(() => observer.resume('paused'))
      else await Promise.all(cluster.seats.map((seat) => seat.ask({ what: 'resume', worker: 'paused' })))
      cluster.journal.write({ event: 'resumed', worker: 'paused', pauseNumber })
      return true
    }
    case 'trigger':
      begin()
      // Refused when a run is active, which is as good.
      if (observer) await observer.trigger('slow').catch(() => {})
      else if (manager === 'default') await cluster.seats[0]?.ask({ what: 'trigger', worker: 'slow' })
      return true
    default:
      return kind satisfies never
  }
}
