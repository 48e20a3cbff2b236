import { afterEach, describe, expect, it, vi } from 'vitest'
import { EventHub } from './event-hub.ts'
import { safeLogger } from './safe-logger.ts'
import { HealthMonitor } from './health-monitor.ts'
import { LoopWatch } from './loop-watch.ts'
import { ManualClock } from './testing/manual-clock.ts'
import { RecordingLogger } from './testing/recording-logger.ts'

/** A loop watch whose timer a test makes late. */
function createWatch(limitMs = 10_000) {
  const manual = new ManualClock()
  let blockedMs = 0
  const clock = {
    monotonicNow: () => manual.monotonicNow() + blockedMs,
    setTimer: (callback: () => void, delayMs: number) => manual.setTimer(callback, delayMs),
    clearTimer: (handle: object | number) => manual.clearTimer(handle),
  }
  const logger = new RecordingLogger()
  const events = new EventHub(safeLogger(undefined))
  const told: string[] = []
  events.on('health-reason-added', ({ code }) => told.push(`+${code}`))
  events.on('health-reason-cleared', ({ code }) => told.push(`-${code}`))
  const health = new HealthMonitor(events)
  const progress = { isThere: true, looks: 0 }
  const watch = new LoopWatch({
    limitMs,
    logger: safeLogger(logger),
    health,
    clock,
    isProgressing: () => {
      progress.looks++
      return progress.isThere
    },
  })
  return {
    watch,
    health,
    logger,
    told,
    progress,
    manual,
    /** The loop stands still: time goes on, and no timer rings. */
    block: (ms: number) => {
      blockedMs += ms
    },
  }
}

describe('LoopWatch', () => {
  afterEach(() => void vi.useRealTimers())

  it('tells of a lag above its limit, and takes that back when it was fine for a minute', async () => {
    const { watch, health, logger, told, manual, block } = createWatch()
    watch.start()
    await manual.advance(5_000)
    block(10_000)
    await manual.advance(1_000)
    expect(told).toEqual([])
    block(10_001)
    await manual.advance(1_000)
    expect(told).toEqual(['+event-loop-lag'])
    expect(health.reasons[0]?.message).toContain('stood still for 10001 ms')
    expect(logger.lines.map(({ data }) => data)).toEqual([{ lagMs: 10_001, limitMs: 10_000 }])
    await manual.advance(60_000)
    expect(told).toEqual(['+event-loop-lag'])
    await manual.advance(1_000)
    expect(told).toEqual(['+event-loop-lag', '-event-loop-lag'])
    watch.stop()
  })

  it('tells each lag in the log, and counts the minute from the last one', async () => {
    const { watch, logger, told, manual, block } = createWatch()
    watch.start()
    for (let count = 0; count < 3; count++) {
      block(20_000)
      await manual.advance(40_000)
    }
    expect(logger.lines).toHaveLength(3)
    expect(told).toEqual(['+event-loop-lag'])
    watch.stop()
  })

  it('tells that the loop of the manager does not come round, until it does', async () => {
    const { watch, logger, told, manual, progress } = createWatch()
    watch.start()
    progress.isThere = false
    await manual.advance(3_000)
    expect(told).toEqual(['+no-progress'])
    expect(logger.lines).toHaveLength(1)
    progress.isThere = true
    await manual.advance(1_000)
    expect(told).toEqual(['+no-progress', '-no-progress'])
    watch.stop()
  })

  it('does not ask right after a lag: other timers are late too, and about to ring', async () => {
    const { watch, manual, block, progress } = createWatch()
    watch.start()
    block(2_000)
    await manual.advance(1_000)
    expect(progress.looks).toBe(0)
    await manual.advance(1_000)
    expect(progress.looks).toBe(1)
    watch.stop()
  })

  it('has one timer, and none after the stop, which forgets what was wrong', async () => {
    const { watch, health, manual, progress, block } = createWatch()
    watch.start()
    watch.start()
    expect(manual.timerCount).toBe(1)
    block(20_000)
    await manual.advance(1_000)
    progress.isThere = false
    await manual.advance(1_000)
    expect(health.reasons).toHaveLength(2)
    watch.stop()
    expect([manual.timerCount, health.reasons]).toEqual([0, []])
  })

  it('goes by real time where timers are faked, and holds no process up', () => {
    vi.useFakeTimers()
    const { health } = createWatch()
    const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const watch = new LoopWatch({ limitMs: 1, logger: safeLogger(undefined), health, isProgressing: () => true })
    watch.start()
    expect(vi.getTimerCount()).toBe(0)
    expect(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout')).toHaveLength(before)
    watch.stop()
  })
})
