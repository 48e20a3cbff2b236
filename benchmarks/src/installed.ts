import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { cutPublishing } from './cut-publishing.ts'

const HERE = join(import.meta.dirname, '..')
const PACKAGES = join(HERE, '../packages')
const OURS = ['abstractions', 'default-manager', 'bullmq-manager']

/** An application's folder with our packages as users get them: what `pnpm pack` would put there, compiled. */
export const INSTALLED = join(HERE, 'dist/installed')

/** The same but that runs are not published: what the publishing itself costs is the difference. */
export const INSTALLED_UNPUBLISHED = join(HERE, 'dist/installed-unpublished')

/**
 * Compiles our packages (`tsc -b`) and lays `dist` and the published manifest out in `INSTALLED`, so that figures are
 * those of what users install and not of TypeScript whose types Node strips; and once more without publishing. What they depend on comes from this
 * package's own `node_modules`, at the versions of the lock file.
 *
 * @throws when our packages do not compile, or publish runs in another way than is known here
 */
export async function installOurPackages(): Promise<void> {
  const tsc = join(HERE, '../node_modules/.bin/tsc')
  await promisify(execFile)(tsc, ['-b', ...OURS.map((name) => join(PACKAGES, name))]).catch((cause) => {
    throw new Error(`Our packages do not compile:\n${(cause as { stdout: string }).stdout}`, { cause })
  })
  for (const folder of [INSTALLED, INSTALLED_UNPUBLISHED]) {
    await rm(folder, { recursive: true, force: true })
    await Promise.all(OURS.map((name) => install(name, folder)))
  }
  await cutPublishing(join(folderOf('abstractions', INSTALLED_UNPUBLISHED), 'dist'))
}

async function install(name: string, folder: string): Promise<void> {
  const source = join(PACKAGES, name)
  const target = folderOf(name, folder)
  await mkdir(target, { recursive: true })
  await cp(join(source, 'dist'), join(target, 'dist'), { recursive: true })
  const { publishConfig, ...manifest } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8'))
  await writeFile(join(target, 'package.json'), JSON.stringify({ ...manifest, ...publishConfig }))
}

function folderOf(name: string, folder: string): string {
  return join(folder, 'node_modules/@background-workers', name)
}

/** Imports one of our packages as users have it, or from another folder in which it is installed. */
export async function installed<Module>(specifier: string, folder = INSTALLED): Promise<Module> {
  const { resolve } = createRequire(join(folder, 'application.js'))
  return import(pathToFileURL(resolve(specifier)).href)
}
