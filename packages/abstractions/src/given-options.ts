/** Options of which none is an explicit `undefined`. */
export type Given<Options> = { readonly [Name in keyof Options]: Exclude<Options[Name], undefined> }

/** Options with their defaults. */
export type Filled<Options> = Required<Given<Options>>

/**
 * The options of these names that are given, as a plain object. Each is read by its name, so what an instance of a settings
 * class inherits or has a getter for counts too. `undefined` is "not given", so it must not hide a default when objects are
 * merged.
 */
export function givenOptions<T extends object>(options: T, names: readonly string[]): Given<T> {
  const given: Record<string, unknown> = {}
  for (const name of names) {
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined) given[name] = value
  }
  return given as Given<T>
}
