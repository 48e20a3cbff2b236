/** The options that are given: `undefined` is "not given", so it must not hide a default when objects are merged. */
export function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
