import { InvalidOptionsError } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import type { ApplicationModule } from './module.ts'
import { sortModules } from './module-graph.ts'

function module(
  name: string,
  ...dependsOn: ApplicationModule[]
): ApplicationModule & { dependsOn: ApplicationModule[] } {
  return { name, dependsOn }
}

function failure(root: ApplicationModule): string {
  try {
    sortModules(root)
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidOptionsError)
    return (error as Error).message
  }
  throw new Error('the graph was accepted')
}

describe('sortModules', () => {
  it('puts what a module depends on before it, each module once', () => {
    const base = module('base')
    const left = module('left', base)
    const right = module('right', base)
    const root = module('root', left, right)
    expect(sortModules(root).map(({ name }) => name)).toEqual(['base', 'left', 'right', 'root'])
  })

  it('takes a module without dependsOn', () => {
    expect(sortModules({ name: 'alone' })).toEqual([{ name: 'alone' }])
  })

  it('shows the path of a circle, and only the circle', () => {
    const a = module('A')
    const b = module('B', a)
    a.dependsOn.push(b)
    expect(failure(module('root', a))).toContain('in a circle: A -> B -> A.')
  })

  it('refuses a module that depends on itself', () => {
    const a = module('A')
    a.dependsOn.push(a)
    expect(failure(a)).toContain('A -> A')
  })

  it('shows the path to a missing module and what it is typical of', () => {
    const b = module('B', undefined as unknown as ApplicationModule)
    const message = failure(module('A', b))
    expect(message).toContain('dependsOn[0] of module A -> B is undefined')
    expect(message).toContain('circular import')
  })

  it('says so when the root module is missing', () => {
    expect(failure(undefined as unknown as ApplicationModule)).toContain('the root module is undefined')
  })

  it('shows both paths of two different modules of one name', () => {
    const root = module('root', module('a', module('same')), module('b', module('same')))
    expect(failure(root)).toContain('the name "same": root -> a -> same and root -> b -> same')
  })

  it('checks modules that were not made by defineModule', () => {
    const bad = { name: 'bad', onInit() {} } as ApplicationModule
    expect(failure(module('root', bad))).toContain('dependsOn[0] of module root: unknown option "onInit"')
  })
})
