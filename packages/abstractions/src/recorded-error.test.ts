import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { unreadable } from '../test/hostile-values.ts'
import { describeError } from './recorded-error.ts'

describe('describeError', () => {
  it('keeps name, message, code and stack of an error', () => {
    const error = Object.assign(new RangeError('too far'), { code: 'E_FAR' })
    expect(describeError(error)).toEqual({ name: 'RangeError', message: 'too far', code: 'E_FAR', stack: error.stack })
  })

  it('keeps the same of an error of another realm', () => {
    const error = runInNewContext('Object.assign(new TypeError("x"), { code: "E_REALM" })')
    expect(error).not.toBeInstanceOf(Error)
    expect(describeError(error)).toEqual({ name: 'TypeError', message: 'x', code: 'E_REALM', stack: error.stack })
  })

  it('keeps only a code that is a text', () => {
    expect(describeError(Object.assign(new Error('x'), { code: 42 }))).not.toHaveProperty('code')
  })

  it.each<[unknown, string]>([
    [undefined, 'undefined'],
    [null, 'null'],
    ['plain text', 'plain text'],
    [404, '404'],
    [10n, '10'],
    [Symbol('why'), 'Symbol(why)'],
    [Object.freeze({ reason: 'frozen' }), '{"reason":"frozen"}'],
    [['a', 1], '["a",1]'],
    [{ toJSON: () => undefined }, '[object Object]'],
  ])('makes plain data of %s', (thrown, message) => {
    expect(describeError(thrown)).toEqual({ name: 'NonError', message })
  })

  it('names a function by its source', () => {
    expect(describeError(() => 1).message).toBe('() => 1')
  })

  it('gives in where what was thrown can not be read', () => {
    const expected = { name: 'NonError', message: 'what was thrown can not be read' }
    const circular: Record<string, unknown> = {}
    circular.self = circular
    const trap = () => {
      throw new Error('trap')
    }
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const hostile = new Error('x')
    Object.defineProperty(hostile, 'message', { get: trap })
    for (const thrown of [
      circular,
      { big: 1n },
      unreadable(),
      revoked.proxy,
      hostile,
      { toJSON: trap },
      Object.create(null, { toJSON: { get: trap } }),
    ]) {
      expect(describeError(thrown)).toEqual(expected)
    }
  })

  it('cuts what is long', () => {
    const error = new Error('m'.repeat(5_000))
    error.name = 'n'.repeat(500)
    error.stack = 's'.repeat(20_000)
    const described = describeError(error)
    expect([described.name.length, described.message.length, described.stack?.length]).toEqual([201, 2_001, 8_001])
    expect(described.message.endsWith('m…')).toBe(true)
    expect(describeError('t'.repeat(5_000)).message).toHaveLength(2_001)
  })

  it('is the same after a round trip through JSON', () => {
    const described = describeError(new TypeError('x'))
    expect(JSON.parse(JSON.stringify(described))).toEqual(described)
  })
})
