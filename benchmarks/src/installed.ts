import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const HERE = join(import.meta.dirname, '..')
const PACKAGES = join(HERE, '../packages')
const OURS = ['abstractions', 'default-manager', 'bullmq-manager']

/** An application's folder with our packages as users get them: what `pnpm pack` would put there, compiled. */
export const INSTALLED = join(HERE, 'dist/installed')

/**
 * Compiles our packages (`tsc -b`) and lays `dist` and the published manifest out in `INSTALLED`, so that figures are
 * those of what users install and not of TypeScript whose types Node strips. What they depend on comes from this
 * package's own `node_modules`, at the versions of the lock file.
 *
 * @throws when our packages do not compile
 */
export async function installOurPackages(): Promise<void> {
  const tsc = join(HERE, '../node_modules/.bin/tsc')
  await promisify(execFile)(tsc, ['-b', ...OURS.map((name) => join(PACKAGES, name))]).catch((cause) => {
    throw new Error(`Our packages do not compile:\n${(cause as { stdout: string }).stdout}`, { cause })
  })
  await rm(INSTALLED, { recursive: true, force: true })
  await Promise.all(OURS.map(install))
}

async function install(name: string): Promise<void> {
  const source = join(PACKAGES, name)
  const target = join(INSTALLED, 'node_modules/@background-workers', name)
  await mkdir(target, { recursive: true })
  await cp(join(source, 'dist'), join(target, 'dist'), { recursive: true })
  const { publishConfig, ...manifest } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8'))
  await writeFile(join(target, 'package.json'), JSON.stringify({ ...manifest, ...publishConfig }))
}

const resolveInstalled = createRequire(join(INSTALLED, 'application.js')).resolve

/** Imports one of our packages as users have it. */
export async function installed<Module>(specifier: string): Promise<Module> {
  return import(pathToFileURL(resolveInstalled(specifier)).href)
}
