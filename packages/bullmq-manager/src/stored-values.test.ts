import { describe, expect, it } from 'vitest'
import { parseRecord } from './stored-values.ts'

const record = {
  runId: 'digest.1',
  worker: 'digest',
  kind: 'scheduled',
  scheduledFor: '2026-01-01T00:00:00.000Z',
  attempts: 1,
  instanceId: 'i',
}

describe('parseRecord', () => {
  it('reads a record, with all or none of what may be absent', () => {
    const rest = {
      outcome: 'failed',
      reason: 'timeout',
      blockedBy: 'digest.0',
      by: 'ada',
      lateByMs: 1,
      durationMs: 2,
      missedSlots: 3,
      error: { name: 'Error', message: 'no', code: 'E', stack: 'at' },
    }
    for (const value of [record, { ...record, ...rest }]) {
      const scheduledFor = new Date(record.scheduledFor)
      expect(parseRecord(JSON.stringify(value))).toEqual({ ...value, scheduledFor })
    }
  })

  it.each(['runId', 'worker', 'kind', 'scheduledFor', 'attempts', 'instanceId'] as const)(
    'reads none without %s',
    (field) => {
      expect(parseRecord(JSON.stringify({ ...record, [field]: undefined }))).toBe(undefined)
    },
  )

  it.each(['outcome', 'reason', 'blockedBy', 'by', 'lateByMs', 'durationMs', 'missedSlots', 'error'])(
    'reads none where %s is of another type',
    (field) => {
      expect(parseRecord(JSON.stringify({ ...record, [field]: { name: 1 } }))).toBe(undefined)
    },
  )
})
