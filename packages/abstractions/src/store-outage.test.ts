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
  return { outage, logger, health, heard, advance }
}

const tell = () => ({ line: 'the store is lost', message: 'The store can not be reached.' })

describe('StoreOutage', () => {
  it('is told once when it begins, however many calls fail', () => {
    const { outage, logger, health, heard, advance } = createOutage()
    const error = new Error('away')
    expect(outage.lost(error, tell)).toBe(true)
    advance(500)
    const again = () => {
      throw new Error('nobody is to be told again')
    }
    expect(outage.lost(new Error('still away'), again)).toBe(false)
    expect(logger.lines).toEqual([expect.objectContaining({ level: 'error', message: 'the store is lost' })])
    expect(logger.lines[0]?.data).toEqual({ err: error })
    expect(health.reasons).toEqual([{ code: 'store-lost', message: 'The store can not be reached.' }])
    expect(heard).toEqual([['store-lost', { error }]])
    expect(outage.lostAt).toBe(1_000)
  })

  it('is told once when it is over, with how long it was, in whole ms', () => {
    const { outage, logger, health, heard, advance } = createOutage()
    outage.lost(new Error('away'), tell)
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
    outage.lost(new Error('away'), tell)
    outage.forget()
    expect(health.reasons).toEqual([])
    expect(outage.restored('the store is back')).toBe(false)
    expect(logger.lines).toHaveLength(1)
    expect(heard).toHaveLength(1)
    expect(outage.lost(new Error('away again'), tell)).toBe(true)
    expect(heard).toHaveLength(2)
  })
})
