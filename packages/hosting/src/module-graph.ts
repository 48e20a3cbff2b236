import { InvalidOptionsError } from '@background-workers/abstractions'
import { show } from '@background-workers/abstractions/for-managers'
import { type ApplicationModule, checkModule } from './module.ts'

/**
 * All modules of an application, each once, what they depend on before them.
 *
 * @throws InvalidOptionsError for a circle, a missing module, and two modules of one name; it shows the path.
 */
export function sortModules(root: ApplicationModule): ApplicationModule[] {
  const sorted = new Set<ApplicationModule>()
  const pathByName = new Map<string, { readonly module: ApplicationModule; readonly path: string }>()

  const visit = (module: ApplicationModule, above: readonly ApplicationModule[]): void => {
    if (sorted.has(module)) return
    const path = [...above, module]
    if (above.includes(module)) {
      const circle = path.slice(above.indexOf(module))
      throw new InvalidOptionsError(
        `Modules depend on each other in a circle: ${pathOf(circle)}. Take one of these steps out of dependsOn.`,
      )
    }
    const namesake = pathByName.get(module.name)
    if (namesake) {
      throw new InvalidOptionsError(
        `Two different modules have the name "${module.name}": ${namesake.path} and ${pathOf(path)}. Give each its own name; if they are meant to be one, its package is installed twice.`,
      )
    }
    pathByName.set(module.name, { module, path: pathOf(path) })
    for (const [index, dependency] of (module.dependsOn ?? []).entries()) {
      visit(checked(dependency, `dependsOn[${index}] of module ${pathOf(path)}`), path)
    }
    sorted.add(module)
  }

  visit(checked(root, 'createApplication: the root module'), [])
  return [...sorted]
}

function checked(module: ApplicationModule | undefined, place: string): ApplicationModule {
  if (typeof module !== 'object' || module === null) {
    const hint = module === undefined ? ' That is typical of a circular import, or of a misspelled one.' : ''
    throw new InvalidOptionsError(`${place} is ${show(module)}, expected a module of defineModule().${hint}`)
  }
  checkModule(place, module)
  return module
}

function pathOf(modules: readonly ApplicationModule[]): string {
  return modules.map(({ name }) => name).join(' -> ')
}
