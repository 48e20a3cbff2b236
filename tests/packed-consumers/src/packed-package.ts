import { existsSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { run } from './run.ts'
import { ROOT, pnpm, readJson, tsc } from './workspace.ts'

/** A package as its users get it. */
export interface PackedPackage {
  readonly name: string
  readonly tarball: string
  /** Where the tarball is unpacked. */
  readonly folder: string
  /** Paths in `folder`, with `/`. */
  readonly files: readonly string[]
  readonly manifest: Manifest
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly type: string
  readonly license: string
  readonly engines: { readonly node: string }
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
  readonly dependencies: Readonly<Record<string, string>>
}

/** Builds the declarations that are not up to date, and packs each package of `packages/` into `folder`. */
export async function packPackages(folder: string): Promise<PackedPackage[]> {
  const sources = (await readdir(join(ROOT, 'packages'))).map((name) => join(ROOT, 'packages', name))
  // What tsc has noted as built it does not build again, even where somebody has removed it.
  const isBuilt = sources.every((source) => existsSync(join(source, 'dist/index.d.ts')))
  await tsc(['-b', ...(isBuilt ? [] : ['--force']), ...sources], ROOT)
  await pnpm(['--filter', './packages/*', 'pack', '--pack-destination', folder], ROOT)
  const tarballs = (await readdir(folder)).filter((file) => file.endsWith('.tgz'))
  return Promise.all(tarballs.map((tarball) => unpack(join(folder, tarball))))
}

async function unpack(tarball: string): Promise<PackedPackage> {
  const target = join(tarball, '..', basename(tarball, '.tgz'))
  await mkdir(target)
  await run('tar', ['-xzf', tarball, '-C', target], target)
  const folder = join(target, 'package')
  const manifest = (await readJson(join(folder, 'package.json'))) as unknown as Manifest
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
  return { name: manifest.name, tarball, folder, files, manifest }
}
