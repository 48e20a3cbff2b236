import { describe, expect, it } from 'vitest'
import { EventHub } from './event-hub.ts'
import { safeLogger } from './safe-logger.ts'
import type { HealthReport } from './health.ts'
import { HealthMonitor } from './health-monitor.ts'

function createMonitor() {
  const events = new EventHub(safeLogger(undefined))
  const changes: HealthReport[] = []
  events.on('health-changed', (report) => changes.push(report))
  return { monitor: new HealthMonitor(events), events, changes }
}

describe('HealthMonitor', () => {
  it('keeps a reason until it is cleared, one per code and worker', () => {
    const { monitor } = createMonitor()
    expect(monitor.add({ worker: 'a', code: 'failing', message: 'one' })).toBe(true)
    expect(monitor.add({ worker: 'a', code: 'failing', message: 'two' })).toBe(false)
    expect(monitor.add({ worker: 'b', code: 'failing', message: 'three' })).toBe(true)
    expect(monitor.reasons.map(({ message }) => message)).toEqual(['two', 'three'])
    expect(monitor.has('failing', 'a')).toBe(true)
    expect(monitor.has('stuck', 'a')).toBe(false)
    expect(monitor.clear('failing', 'a')).toBe(true)
    expect(monitor.clear('failing', 'a')).toBe(false)
    expect(monitor.reasons.map(({ worker }) => worker)).toEqual(['b'])
  })

  it('keeps reasons of the manager itself apart', () => {
    const { monitor } = createMonitor()
    monitor.add({ code: 'store-lost', message: 'x' })
    expect(monitor.has('store-lost')).toBe(true)
    expect(monitor.has('store-lost', 'a')).toBe(false)
  })

  it('does not look at what is wrong elsewhere when something comes or goes', () => {
    const { monitor, changes } = createMonitor()
    let looks = 0
    const looked = {
      worker: 'a',
      get code() {
        looks++
        return 'failing' as const
      },
      message: 'x',
    }
    monitor.add(looked)
    const before = looks
    for (let index = 0; index < 100; index++) monitor.add({ worker: `w${index}`, code: 'failing', message: 'x' })
    for (let index = 0; index < 99; index++) monitor.clear('failing', `w${index}`)
    expect(looks).toBe(before)
    expect(changes.map(({ status }) => status)).toEqual(['degraded'])
  })

  it('announces a change of the health as a whole, and nothing else', () => {
    const { monitor, changes } = createMonitor()
    monitor.add({ worker: 'a', code: 'start-failed', message: 'x' })
    monitor.add({ worker: 'b', code: 'start-failed', message: 'x' })
    expect(changes.map(({ status }) => status)).toEqual(['degraded'])
    monitor.add({ worker: 'a', code: 'stuck', message: 'x' })
    monitor.clear('start-failed', 'a')
    expect(changes.map(({ status }) => status)).toEqual(['degraded', 'unhealthy'])
    monitor.clear('stuck', 'a')
    monitor.clear('start-failed', 'b')
    expect(changes.map(({ status }) => status)).toEqual(['degraded', 'unhealthy', 'degraded', 'ok'])
    expect(changes[1]?.reasons).toHaveLength(3)
    expect(changes[3]?.reasons).toEqual([])
  })

  it('calls a worker failing from three failures in a row on, until it succeeds', () => {
    const { monitor } = createMonitor()
    for (const failures of [1, 2]) monitor.noteFailures('a', failures)
    expect(monitor.reasons).toEqual([])
    for (const failures of [3, 4]) monitor.noteFailures('a', failures)
    expect(monitor.reasons).toEqual([{ worker: 'a', code: 'failing', message: 'Worker "a" failed 4 times in a row.' }])
    monitor.noteFailures('a', 0)
    expect(monitor.reasons).toEqual([])
  })

  it('tells of each reason once when it comes and once when it goes, whatever the status', () => {
    const { monitor, events } = createMonitor()
    const told: unknown[] = []
    events.on('health-reason-added', (reason) => told.push(reason))
    events.on('health-reason-cleared', (reason) => told.push(reason))
    const failing = { worker: 'a', code: 'failing', message: 'one' } as const
    monitor.add(failing)
    monitor.add({ ...failing, message: 'two' })
    monitor.add({ code: 'clock-skew', message: 'x' })
    monitor.clear('failing', 'a')
    monitor.clear('failing', 'a')
    monitor.clearAll(new Set(['clock-skew', 'stuck']))
    expect(told).toEqual([
      failing,
      { code: 'clock-skew', message: 'x' },
      { worker: 'a', code: 'failing' },
      { code: 'clock-skew' },
    ])
  })

  it('forgets all of one worker that is removed, except that its run is stuck', () => {
    const { monitor } = createMonitor()
    for (const code of ['stuck', 'failing', 'start-failed'] as const) {
      monitor.add({ worker: 'a', code, message: 'x' })
      monitor.add({ worker: 'ab', code, message: 'x' })
    }
    expect(monitor.isFine('a')).toBe(false)
    monitor.clearWorker('a')
    expect(monitor.reasons.map(({ worker }) => worker)).toEqual(['a', 'ab', 'ab', 'ab'])
    expect(monitor.has('stuck', 'a')).toBe(true)
    monitor.clear('stuck', 'a')
    expect([monitor.isFine('a'), monitor.isFine('ab')]).toEqual([true, false])
  })
})
