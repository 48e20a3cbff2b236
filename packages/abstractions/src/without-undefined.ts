/** The options that are given: `undefined` is "not given", so it must not hide a default when objects are merged. */
export function withoutUndefined<T extends object>(options: T): T {
  const given: Partial<T> = {}
  for (const [key, value] of Object.entries(options)) if (value !== undefined) given[key as keyof T] = value
  return given as T
}
