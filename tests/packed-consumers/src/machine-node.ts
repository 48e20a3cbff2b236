import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './run.ts'

/** The version of the first `node` on the PATH that no `node_modules` has put there. */
export async function findMachineNode(): Promise<{ readonly path: string; readonly version: string } | undefined> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'))
  const path = folders.map((folder) => join(folder, 'node')).find((file) => existsSync(file))
  return path === undefined ? undefined : { path, version: (await run(path, ['--version'], '.')).trim() }
}

/** Whether a version such as `v22.12.0` is within a range such as `>=22.12`, the only kind of range that is read here. */
export function isSupported(version: string, range: string): boolean {
  const [major, minor] = numbersOf(version)
  const [leastMajor, leastMinor] = numbersOf(range)
  return major > leastMajor || (major === leastMajor && minor >= leastMinor)
}

function numbersOf(text: string): readonly [number, number] {
  const [, major, minor] = /^(?:v|>=)(\d+)\.(\d+)/.exec(text) ?? []
  if (major === undefined || minor === undefined) throw new Error(`"${text}" is neither v1.2.3 nor >=1.2.`)
  return [Number(major), Number(minor)]
}
