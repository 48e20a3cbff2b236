import { describe, expect, it } from 'vitest'
import { type HealthCode, healthStatus } from './health.ts'

describe('healthStatus', () => {
  it.each<[HealthCode[], string]>([
    [[], 'ok'],
    [['start-failed'], 'degraded'],
    [['failing', 'orphaned', 'no-handler', 'clock-skew'], 'degraded'],
    [['no-next-slot', 'never-ran', 'lost', 'event-loop-lag'], 'degraded'],
    [['no-progress'], 'unhealthy'],
    [['not-running'], 'unhealthy'],
    [['stuck'], 'unhealthy'],
    [['overdue'], 'unhealthy'],
    [['failing', 'store-lost'], 'unhealthy'],
  ])('%j is %s', (codes, status) => {
    expect(healthStatus(codes.map((code) => ({ code, message: 'x' })))).toBe(status)
  })
})
