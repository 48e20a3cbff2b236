import { cron } from '@background-workers/abstractions'
import { fillPolicy } from '@background-workers/abstractions/for-managers'
import { describe, expect, it } from 'vitest'
import { noteDeclared, parseDefinition, parseRecord } from './stored-values.ts'

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

describe('parseDefinition', () => {
  const who = { release: 3, declaredAt: 1_750_000_000_000, instanceId: 'i-1', since: 1_740_000_000_000, order: 0 }
  const declared = {
    schedule: cron('7 3 * * *'),
    policy: fillPolicy({ keepRuns: 7, retry: { attempts: 2, backoffMs: 5 } }),
  }

  it('gives back what the code declares, where the text says the same', () => {
    noteDeclared(declared)
    const definition = parseDefinition(JSON.stringify({ ...declared, ...who }))
    expect(definition).toEqual({ ...declared, ...who })
    expect(definition?.schedule).toBe(declared.schedule)
  })

  it('reads the same from a text that is written in another way', () => {
    noteDeclared(declared)
    const turned = Object.fromEntries(Object.entries({ ...declared, ...who }).reverse())
    expect(parseDefinition(JSON.stringify(turned))).toEqual({ ...declared, ...who })
    expect(parseDefinition(JSON.stringify({ ...declared, ...who }, undefined, 1))).toEqual({ ...declared, ...who })
  })

  it('reads a longest wait below the first, which older builds have filled in, though none may declare it', () => {
    const policy = fillPolicy({ retry: { attempts: 2, backoffMs: 14_400_000, maxBackoffMs: 3_600_000 } })
    expect(parseDefinition(JSON.stringify({ ...declared, ...who, policy }))?.policy).toEqual(policy)
  })

  it.each(['release', 'declaredAt', 'instanceId', 'since', 'order'] as const)(
    'reads none where %s is of another type, whatever else is known',
    (field) => {
      noteDeclared(declared)
      expect(parseDefinition(JSON.stringify({ ...declared, ...who, [field]: { not: 'it' } }))).toBe(undefined)
      expect(parseDefinition(JSON.stringify({ ...declared, ...who, [field]: undefined }))).toBe(undefined)
    },
  )

  it('keeps apart those that were declared by others, at other times and with another policy', () => {
    const other = { schedule: cron('8 3 * * *'), policy: fillPolicy({ keepRuns: 8 }) }
    const both = [
      { ...declared, ...who },
      { ...other, ...who },
      { ...other, ...who, instanceId: 'i-2', order: 12 },
      { ...declared, ...who, since: 1_740_000_000_001 },
      { ...declared, ...who, release: 4 },
    ]
    noteDeclared(declared)
    noteDeclared(other)
    for (const definition of [...both, ...both]) expect(parseDefinition(JSON.stringify(definition))).toEqual(definition)
  })

  it('refuses what begins like a definition that is known, and is none', () => {
    noteDeclared(declared)
    const text = JSON.stringify({ ...declared, ...who })
    for (const malformed of [
      `${text} `.replace('"order":0', '"order":00'),
      text.slice(0, -1),
      `${text}}`,
      text.replace('"release":3', '"release":03'),
    ])
      expect(() => parseDefinition(malformed)).toThrow(SyntaxError)
    expect(() => parseDefinition(text.replace('"keepRuns":7', '"keepRuns":0'))).toThrow('keepRuns')
    expect(() => parseDefinition(text.replace('7 3 * * *', '7 33 * * *'))).toThrow('can not be read')
  })
})
