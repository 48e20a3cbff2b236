import { InvalidOptionsError } from './errors.ts'

/** Says what is wrong with a value, or nothing. */
export type Check = (value: unknown) => string | undefined

/** Refuses what is not a plain options object, unknown keys, and values that fail their check. `undefined` is "not given". */
export function checkOptions(subject: string, options: unknown, checks: Readonly<Record<string, Check>>): void {
  const problem = findProblem(options, checks)
  if (problem !== undefined) throw new InvalidOptionsError(`${subject}: ${problem}`)
}

/** Refuses options of which one of these is not given. */
export function checkGiven<T extends object>(subject: string, options: T, names: readonly (keyof T & string)[]): void {
  const missing = names.filter((name) => options[name] === undefined)
  if (missing.length > 0) throw new InvalidOptionsError(`${subject}: ${missing.join(', ')} must be given.`)
}

/** The first thing that is wrong with an options object, in words. */
export function findProblem(options: unknown, checks: Readonly<Record<string, Check>>): string | undefined {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    return `expected an options object, got ${show(options)}.`
  }
  // A getter, or a proxy, may throw; then the options are refused like other bad ones.
  try {
    for (const key of Reflect.ownKeys(options)) {
      if (typeof key === 'string' && Object.hasOwn(checks, key)) continue
      return `unknown option "${String(key)}". Known are: ${Object.keys(checks).join(', ')}.`
    }
  } catch {
    return 'the options object throws when it is read.'
  }
  // What is inherited (an instance of a settings class) is used like what is the object's own, so it is checked too.
  for (const key in checks) {
    let value: unknown
    try {
      value = (options as Record<string, unknown>)[key]
    } catch {
      return `"${key}" throws when it is read.`
    }
    const problem = value === undefined ? undefined : (checks[key] as Check)(value)
    if (problem !== undefined) return `"${key}" ${problem}`
  }
  return undefined
}

/** A value as an error message shows it: short, on one line, whatever it is. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (value === null || typeof value !== 'object') return typeof value === 'function' ? 'a function' : String(value)
  return Array.isArray(value) ? 'an array' : 'an object'
}

/** True or false. */
export const isBoolean: Check = (value) =>
  typeof value === 'boolean' ? undefined : `must be true or false, got ${show(value)}.`

/** A text of 1 to 1,000 characters. */
export const isText: Check = (value) =>
  typeof value === 'string' && value.length > 0 && value.length <= 1_000
    ? undefined
    : `must be a text of 1 to 1,000 characters, got ${show(value)}.`

/** What names are made of: `[a-z0-9][a-z0-9._-]*`, 1 to 100 characters. */
export const isSlug: Check = (value) =>
  typeof value === 'string' && SLUG.test(value)
    ? undefined
    : `must be 1 to 100 of a-z, 0-9, ".", "_" and "-", starting with a letter or digit; got ${show(value)}.`

const SLUG = /^[a-z0-9][a-z0-9._-]{0,99}$/

/** One of these words. */
export function isOneOf(...allowed: readonly string[]): Check {
  return (value) =>
    typeof value === 'string' && allowed.includes(value)
      ? undefined
      : `must be ${allowed.map((text) => `'${text}'`).join(' or ')}, got ${show(value)}.`
}

/** A whole number of at least `min` and at most `max`. */
export function isWhole(min: number, max: number, unit = ''): Check {
  return (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? undefined
      : `must be a whole number${unit && ` of ${unit}`} from ${min} to ${max}, got ${show(value)}.`
}

/** A finite number of at least `min` and at most `max`. */
export function isNumber(min: number, max: number): Check {
  return (value) =>
    typeof value === 'number' && value >= min && value <= max
      ? undefined
      : `must be a number from ${min} to ${max}, got ${show(value)}.`
}

/** A function. */
export const isFunction: Check = (value) =>
  typeof value === 'function' ? undefined : `must be a function, got ${show(value)}.`

/** Segments of a URL's path with a slash before each, or nothing at all; an error shows the `example`. */
export function isPathPrefix(example: string): Check {
  return (value) =>
    typeof value === 'string' && /^(\/[A-Za-z0-9._~-]+)*$/.test(value)
      ? undefined
      : `must be a path such as "${example}", got ${show(value)}.`
}

/** Anything: it is checked elsewhere. */
export const isAnything: Check = () => undefined

/** An object with these methods. */
export function hasMethods(...names: readonly string[]): Check {
  return (value) => {
    const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
    const missing = names.filter((name) => !isObject || typeof (value as Record<string, unknown>)[name] !== 'function')
    return missing.length === 0 ? undefined : `must have the method ${missing.map((name) => `${name}()`).join(', ')}.`
  }
}
