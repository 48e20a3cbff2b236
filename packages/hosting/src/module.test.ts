import { InvalidOptionsError } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { type ApplicationModule, defineModule } from './module.ts'

describe('defineModule', () => {
  it('gives back what it was given', () => {
    const module = { name: 'app', dependsOn: [], onApplicationInitialization() {} }
    expect(defineModule(module)).toBe(module)
  })

  it.each([
    [
      'an unknown key',
      { name: 'app', onApplicationInitialisation() {} },
      /unknown option "onApplicationInitialisation"/,
    ],
    ['no name', {}, /"name" must be given/],
    ['an empty name', { name: '' }, /"name" must be a text/],
    ['a hook that is no function', { name: 'app', configureServices: {} }, /"configureServices" must be a function/],
    ['a dependsOn that is no array', { name: 'app', dependsOn: { name: 'x' } }, /"dependsOn" must be an array/],
    ['what is no object', undefined, /expected an options object, got undefined/],
  ])('refuses %s', (_what, module, message) => {
    const define = () => defineModule(module as unknown as ApplicationModule)
    expect(define).toThrow(InvalidOptionsError)
    expect(define).toThrow(message)
  })
})
