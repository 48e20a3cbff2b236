import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackedPackage } from './packed-package.ts'
import { HERE, pnpm, readJson } from './workspace.ts'

/** What the consumers use besides our packages: the versions that the workspace has, so that the store has them too. */
const OTHERS = ['@opentelemetry/api', '@types/node', 'awilix', 'ioredis', 'pino']

/** Copies the projects of `consumers/` to `folder`, outside the workspace, and installs them with the tarballs. */
export async function installConsumers(folder: string, packages: readonly PackedPackage[]): Promise<void> {
  await cp(join(HERE, 'consumers'), folder, { recursive: true })
  const catalog = await Promise.all(OTHERS.map(async (name) => [name, await installedVersion(name)] as const))
  const settings = {
    packages: ['*'],
    catalog: Object.fromEntries(catalog),
    overrides: Object.fromEntries(packages.map(({ name, tarball }) => [name, `file:${tarball}`])),
    strictPeerDependencies: true,
  }
  // JSON is YAML.
  await writeFile(join(folder, 'pnpm-workspace.yaml'), JSON.stringify(settings, null, 2))
  await pnpm(['install', '--prefer-offline', '--ignore-scripts'], folder)
}

async function installedVersion(name: string): Promise<string> {
  const { version } = await readJson(join(HERE, 'node_modules', name, 'package.json'))
  return version as string
}
