import type { RunRecord } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { errorType, isError } from './attributes.ts'

describe('errorType', () => {
  it.each([
    [{ name: 'TypeError', message: '', code: 'ECONNREFUSED' }, 'ECONNREFUSED'],
    [{ name: 'TypeError', message: '' }, 'TypeError'],
    [{ name: 'PrismaClientError', message: '', code: 'P2002' }, 'P2002'],
    [{ name: 'DatabaseError', message: '', code: '23505' }, '23505'],
    [{ name: 'PostgresError', message: '', code: '42P01' }, '42P01'],
    [{ name: 'TypeError', message: '', code: 'user 4711' }, 'TypeError'],
    [{ name: 'NonError', message: 'a text was thrown' }, '_OTHER'],
    [{ name: 'Error for user 4711', message: '' }, '_OTHER'],
    [{ name: 'x'.repeat(65), message: '' }, '_OTHER'],
    [undefined, '_OTHER'],
  ])('of %j is %s', (error, type) => {
    expect(errorType(error)).toBe(type)
  })
})

describe('isError', () => {
  it.each([
    ['succeeded', undefined, false],
    ['failed', undefined, true],
    ['failed', 'timeout', true],
    ['lost', 'crash', true],
    ['aborted', 'lease-lost', true],
    ['aborted', 'stop', false],
    ['aborted', 'cancelled', false],
  ] as const)('of a run that is %s (%s) is %s', (outcome, reason, expected) => {
    expect(isError({ outcome, ...(reason && { reason }) } as RunRecord)).toBe(expected)
  })
})
