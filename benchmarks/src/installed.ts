import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { cutPublishing } from './cut-publishing.ts'

const HERE = join(import.meta.dirname, '..')
const ROOT = join(HERE, '..')
const PACKAGES = join(ROOT, 'packages')
const OURS = ['abstractions', 'default-manager', 'bullmq-manager']

/** An application's folder with our packages as users get them: what `pnpm pack` would put there. */
export const INSTALLED = join(HERE, 'dist/installed')

/** The same but that runs are not published: what the publishing itself costs is the difference. */
export const INSTALLED_UNPUBLISHED = join(HERE, 'dist/installed-unpublished')

/** Beside them in `INSTALLED`: the same code of the BullMQ manager in one file, which loads bullmq, ioredis and croner. */
export const IN_ONE_FILE = './in-one-file.mjs'

/**
 * Bundles our packages as they are for publishing and lays them out in `INSTALLED` with the published manifest, so that figures
 * are those of what users install and not of TypeScript whose types Node strips; and once more without publishing. What they
 * depend on comes from this package's own `node_modules`, at the versions of the lock file.
 *
 * @throws when our packages can not be bundled, or publish runs in another way than is known here
 */
export async function installOurPackages(): Promise<void> {
  for (const folder of [INSTALLED, INSTALLED_UNPUBLISHED]) {
    await rm(folder, { recursive: true, force: true })
    await Promise.all(OURS.map((name) => install(name, folder)))
  }
  await putInOneFile()
}

async function install(name: string, folder: string): Promise<void> {
  const source = join(PACKAGES, name)
  const target = folderOf(name, folder)
  await mkdir(target, { recursive: true })
  for (const path of ['package.json', 'src']) await cp(join(source, path), join(target, path), { recursive: true })
  if (folder === INSTALLED_UNPUBLISHED && name === 'abstractions') await cutPublishing(join(target, 'src'))
  await rolldown(['--config', join(ROOT, 'rolldown.config.ts')], target)
  const { publishConfig, ...manifest } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8'))
  await writeFile(join(target, 'package.json'), JSON.stringify({ ...manifest, ...publishConfig }))
}

async function putInOneFile(): Promise<void> {
  const externals = ['bullmq', 'ioredis', 'croner'].flatMap((name) => ['--external', name])
  const entry = join(folderOf('bullmq-manager', INSTALLED), 'dist/index.js')
  await rolldown([entry, '--file', IN_ONE_FILE, '--platform', 'node', '--no-comments', ...externals], INSTALLED)
}

async function rolldown(options: readonly string[], cwd: string): Promise<void> {
  await promisify(execFile)(join(ROOT, 'node_modules/.bin/rolldown'), options, { cwd })
}

function folderOf(name: string, folder: string): string {
  return join(folder, 'node_modules/@background-workers', name)
}

/** Imports one of our packages as users have it, or from another folder in which it is installed. */
export async function installed<Module>(specifier: string, folder = INSTALLED): Promise<Module> {
  const { resolve } = createRequire(join(folder, 'application.js'))
  return import(pathToFileURL(resolve(specifier)).href)
}
