import { asValue, createContainer as createAwilixContainer } from 'awilix'
import { describe, expect, it } from 'vitest'
import { containerOptions, registeredOptions } from './container-options.ts'
import { InvalidOptionsError } from './errors.ts'
import { silentLogger } from './logger.ts'

/** A container that throws, as awilix does, for what is not registered. */
function createContainer(registrations: Readonly<Record<string, unknown>>) {
  const resolved: string[] = []
  const cache = new Set<symbol>()
  const container = {
    cradle: { ...registrations },
    cache,
    register: (name: symbol) => cache.add(name),
    hasRegistration: (name: string) => Object.hasOwn(registrations, name),
    resolve(name: string | symbol) {
      if (typeof name === 'symbol') return true
      resolved.push(name)
      if (!Object.hasOwn(registrations, name)) throw new Error(`${name} is not registered`)
      return registrations[name]
    },
    createScope: () => ({ resolve: (name: string) => container.resolve(name), dispose: async () => {} }),
  }
  return { container, resolved }
}

interface Options {
  readonly url?: string
  readonly logger?: object
}

describe('registeredOptions', () => {
  it('takes what is not given from the container, where that has it', () => {
    const { container } = createContainer({ logger: silentLogger })
    expect(registeredOptions<Options>('Lock', { url: 'a' }, container, ['url', 'logger'], ['logger'])).toEqual({
      url: 'a',
      logger: silentLogger,
    })
    expect(
      registeredOptions<Options>('Lock', {}, createContainer({}).container, ['url', 'logger'], ['logger']),
    ).toEqual({})
  })

  it('resolves nothing that is given', () => {
    const { container, resolved } = createContainer({ logger: silentLogger })
    const mine = {}
    const options = registeredOptions<Options>('Lock', { logger: mine }, container, ['url', 'logger'], ['logger'])
    expect(options.logger).toBe(mine)
    expect(resolved).toEqual([])
  })

  it('makes options of the cradle, and hands on what is unknown', () => {
    const { container } = createContainer({ host: 'b' })
    const made = (cradle: { host: string }) => ({ url: cradle.host, typo: 1 })
    expect(registeredOptions<Options>('Lock', made as (cradle: never) => Options, container, ['url'], [])).toEqual({
      url: 'b',
      typo: 1,
    })
  })

  it.each([
    ['a number', () => 5, 'Lock: expected an options object, got 5.'],
    ['null', () => null, 'Lock: expected an options object, got null.'],
    ['an array', () => [], 'Lock: expected an options object, got an array.'],
    ['a promise', async () => ({ url: 'a' }), /^Lock: expected an options object, got a promise. Await /],
  ])('refuses %s, given or made', (_what, make, message) => {
    const { container } = createContainer({})
    for (const options of [make, make()]) {
      const read = () => registeredOptions<Options>('Lock', options as never, container, ['url'], [])
      expect(read).toThrow(InvalidOptionsError)
      expect(read).toThrow(message)
    }
  })

  it('takes undefined for none', () => {
    const { container } = createContainer({})
    expect(registeredOptions<Options>('Lock', (() => undefined) as never, container, ['url'], [])).toEqual({})
  })

  it('refuses a scope, at each time, and calls nothing', () => {
    const root = createAwilixContainer()
    const logger = asValue(silentLogger)
    const options = () => {
      throw new Error('called')
    }
    for (const scope of [root.createScope(), root.createScope().createScope()]) {
      scope.register({ logger })
      const read = () => registeredOptions<Options>('Lock', options, scope, ['logger'], ['logger'])
      expect(read).toThrow(InvalidOptionsError)
      expect(read).toThrow(/^Lock: it is first resolved in a scope/)
    }
    root.register({ logger })
    expect(registeredOptions<Options>('Lock', {}, root, ['logger'], ['logger'])).toEqual({ logger: silentLogger })
  })
})

describe('containerOptions', () => {
  it('refuses a scope only where something would be taken from it', () => {
    const scope = createAwilixContainer().createScope()
    scope.register({ logger: asValue(silentLogger) })
    const scopeFactory = { createScope: () => scope.createScope() }
    const given = { scopeFactory, logger: silentLogger }
    const names = ['scopeFactory', 'logger']
    expect(containerOptions('Manager', given, scope, names)).toEqual(given)
    for (const options of [{ scopeFactory }, { logger: silentLogger }]) {
      expect(() => containerOptions('Manager', options, scope, names)).toThrow(InvalidOptionsError)
    }
  })

  it("makes a manager's scopes in the container, unless the options say otherwise", () => {
    const { container } = createContainer({})
    expect(containerOptions('Manager', {}, container, [])).toEqual({ scopeFactory: container })
    const scopeFactory = { createScope: container.createScope }
    expect(containerOptions('Manager', { scopeFactory }, container, ['scopeFactory']).scopeFactory).toBe(scopeFactory)
  })
})
