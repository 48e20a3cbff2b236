import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './run.ts'

/** The root of the workspace. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** This package. */
export const HERE = dirname(import.meta.dirname)

/** Runs the pinned pnpm. */
export async function pnpm(args: readonly string[], folder: string): Promise<string> {
  const { packageManager } = await readJson(join(ROOT, 'package.json'))
  return run('npx', ['--yes', packageManager as string, ...args], folder)
}

/** Runs the workspace's TypeScript. */
export async function tsc(args: readonly string[], folder: string): Promise<string> {
  return run(join(ROOT, 'node_modules/.bin/tsc'), args, folder)
}

/** Reads a JSON file. */
export async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, 'utf8'))
}
