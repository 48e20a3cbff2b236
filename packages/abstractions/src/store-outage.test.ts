import { describe, expect, it } from 'vitest'
import { EventHub } from './event-hub.ts'
import { HealthMonitor } from './health-monitor.ts'
import { safeLogger } from './safe-logger.ts'
import { StoreOutage } from './store-outage.ts'
import { RecordingLogger } from './testing/recording-logger.ts'

function createOutage() {
  let now = 1_000
  const logger = new RecordingLogger()
  const events = new EventHub(safeLogger(undefined))
  const health = new HealthMonitor(events)
  const heard: unknown[] = []
  events.on('store-lost', (payload) => heard.push(['store-lost', payload]))
  events.on('store-restored', (payload) => heard.push(['store-restored', payload]))
  const outage = new StoreOutage({ clock: { monotonicNow: () => now }, logger: safeLogger(logger), events, health })
  const advance = (ms: number) => {
    now += ms
  }
  return { outage, logger, events, health, heard, advance }
}

const LOST = ['the store is lost', 'The store can not be reached: refused.'] as const

describe('StoreOutage', () => {
  it('is told once when it begins, however many calls fail', () => {
    const { outage, logger, health, heard, advance } = createOutage()
    const error = new Error('away')
    expect(outage.lost(error, ...LOST)).toBe(true)
    advance(500)
    expect(outage.lost(new Error('still away'), ...LOST)).toBe(false)
    expect(logger.lines).toEqual([expect.objectContaining({ level: 'error', message: 'the store is lost' })])
    expect(logger.lines[0]?.data).toEqual({ err: error })
    expect(health.reasons).toEqual([{ code: 'store-lost', message: LOST[1] }])
    expect(heard).toEqual([['store-lost', { error }]])
    expect(outage.lostAt).toBe(1_000)
  })

  it('has a reason that names the latest error while it lasts, and that is no news', () => {
    const { outage, health, events } = createOutage()
    outage.lost(new Error('closed'), 'the store is lost', 'The store can not be reached: closed.')
    const news: unknown[] = []
    for (const name of ['health-reason-added', 'health-changed'] as const)
      events.on(name, (payload) => news.push(payload))
    outage.lost(new Error('refused'), ...LOST)
    expect(health.reasons).toEqual([{ code: 'store-lost', message: 'The store can not be reached: refused.' }])
    expect(news).toEqual([])
  })

  it('is told once when it is over, with how long it was, in whole ms', () => {
    const { outage, logger, health, heard, advance } = createOutage()
    outage.lost(new Error('away'), ...LOST)
    advance(1_499.6)
    expect(outage.restored('the store is back', { errors: 3 })).toBe(true)
    expect(outage.restored('the store is back', { errors: 3 })).toBe(false)
    expect(logger.lines.slice(1)).toEqual([expect.objectContaining({ level: 'info', message: 'the store is back' })])
    expect(logger.lines[1]?.data).toEqual({ downMs: 1_500, errors: 3 })
    expect(health.reasons).toEqual([])
    expect(heard.slice(1)).toEqual([['store-restored', { downMs: 1_500 }]])
    expect(outage.lostAt).toBeUndefined()
  })

  it('says nothing of an answer while there is none', () => {
    const { outage, logger, heard } = createOutage()
    expect(outage.restored('the store is back')).toBe(false)
    expect(logger.lines).toEqual([])
    expect(heard).toEqual([])
  })

  it('is forgotten by a stop: no longer a reason, and not told to be over', () => {
    const { outage, logger, health, heard } = createOutage()
    outage.lost(new Error('away'), ...LOST)
    outage.forget()
    expect(health.reasons).toEqual([])
    expect(outage.restored('the store is back')).toBe(false)
    expect(logger.lines).toHaveLength(1)
    expect(heard).toHaveLength(1)
    expect(outage.lost(new Error('away again'), ...LOST)).toBe(true)
    expect(heard).toHaveLength(2)
  })
})
