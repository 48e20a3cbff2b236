import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installConsumers } from '../src/consumers.ts'
import { findMachineNode, isSupported } from '../src/machine-node.ts'
import { type PackedPackage, packPackages } from '../src/packed-package.ts'
import { run } from '../src/run.ts'
import { HERE, ROOT, tsc } from '../src/workspace.ts'

const NAMES = [
  '@background-workers/abstractions',
  '@background-workers/bullmq-manager',
  '@background-workers/dashboard',
  '@background-workers/default-manager',
  '@background-workers/hosting',
  '@background-workers/opentelemetry',
  '@background-workers/redis-lock',
]
/** Packing and installing take longer than a hook usually may. */
const HOOK_TIMEOUT_MS = 120_000

let folder: string
let packages: PackedPackage[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'packed-consumers-'))
  packages = await packPackages(folder)
}, HOOK_TIMEOUT_MS)

afterAll(() => rm(folder, { recursive: true, force: true }))

it('packs every package', () => {
  expect(packages.map(({ name }) => name).sort()).toEqual(NAMES)
})

describe.each(NAMES)('the tarball of %s', (name) => {
  let packed: PackedPackage

  beforeAll(() => {
    packed = packages.find((one) => one.name === name) as PackedPackage
  })

  it('has the license and a README', async () => {
    const read = (path: string) => readFile(path, 'utf8')
    expect(await read(join(packed.folder, 'LICENSE'))).toBe(await read(join(ROOT, 'LICENSE')))
    expect(await read(join(packed.folder, 'README.md'))).toContain(name)
  })

  it('has what is built and its sources, and no test', () => {
    const expected = /^(LICENSE|README\.md|CHANGELOG\.md|package\.json|dist\/.+\.(js|d\.ts)(\.map)?|src\/.+\.ts)$/
    expect(packed.files.filter((file) => !expected.test(file) || file.includes('.test.'))).toEqual([])
  })

  it('has nothing that is built of a source or an entry that is gone (then remove dist and build again)', async () => {
    const declarations = packed.files.filter((file) => /^dist\/.+\.d\.ts(\.map)?$/.test(file))
    const sourceOf = (file: string) => file.replace('dist/', 'src/').replace(/\.d\.ts(\.map)?$/, '.ts')
    expect(declarations.filter((file) => !packed.files.includes(sourceOf(file)))).toEqual([])
    expect(packed.files.filter((file) => file.endsWith('.js')).sort()).toEqual(await loadedFiles(packed))
  })

  it('has the code of each source once, so that its entries share their classes', async () => {
    const maps = packed.files.filter((file) => file.endsWith('.js.map'))
    const sources = await Promise.all(maps.map((map) => sourcesOf(packed, map)))
    expect(sources.flat().sort()).toEqual([...new Set(sources.flat())].sort())
    expect(sources.flat()).not.toEqual([])
  })

  it('has the source that each source map leads to', async () => {
    const maps = packed.files.filter((file) => file.endsWith('.map'))
    const sources = (await Promise.all(maps.map((map) => sourcesOf(packed, map)))).flat()
    expect(sources).not.toEqual([])
    expect(sources.filter((source) => !packed.files.includes(source))).toEqual([])
  })

  // The others import nothing of it, or what an application has loaded already.
  if (name.endsWith('-manager'))
    it('loads one entry of the abstractions: to import each file takes time', async () => {
      const files = await loadedFiles(packed)
      const code = await Promise.all(files.map((file) => readFile(join(packed.folder, file), 'utf8')))
      const imports = code.flatMap((text) => text.match(/"@background-workers\/abstractions[^"]*"/g) ?? [])
      expect([...new Set(imports)]).toEqual(['"@background-workers/abstractions/for-managers"'])
    })

  it('exports what is built, with its types', () => {
    for (const [entry, target] of Object.entries(packed.manifest.exports)) {
      if (entry === './package.json') continue
      const { types, default: code } = target as { types: string; default: string }
      expect([types, code].filter((path) => !packed.files.includes(posix.normalize(path)))).toEqual([])
      expect([types, code]).toEqual([expect.stringMatching(/^\.\/dist\//), expect.stringMatching(/^\.\/dist\//)])
    }
  })

  it('depends on ranges that a registry knows, and on the release of the others that it comes with', () => {
    expect(JSON.stringify(packed.manifest)).not.toMatch(/"(workspace|catalog):/)
    const ours = Object.entries(packed.manifest.dependencies).filter(([dependency]) => NAMES.includes(dependency))
    for (const [, range] of ours) expect(range).toBe(`^${packed.manifest.version}`)
  })

  it('pleases publint', async () => {
    expect(await run(join(HERE, 'node_modules/.bin/publint'), [packed.tarball], folder)).toContain('All good!')
  })

  it('pleases are-the-types-wrong', async () => {
    // It rejects unless the exit code is 0.
    await run(join(HERE, 'node_modules/.bin/attw'), [packed.tarball, '--profile', 'esm-only'], folder)
  })
})

/** What the entries load of the package, directly or not. */
async function loadedFiles({ folder, manifest }: PackedPackage): Promise<string[]> {
  const entries = Object.values(manifest.exports).flatMap((target) =>
    typeof target === 'string' ? [] : target.default,
  )
  const loaded = new Set(entries.map((entry) => posix.normalize(entry)))
  for (const file of loaded) {
    const code = await readFile(join(folder, file), 'utf8')
    const imports = [...code.matchAll(/^(?:import|export)\b[^;]*?"(\.[^"]+)"/gm)].map(([, path]) => path as string)
    for (const path of imports) loaded.add(posix.join(file, '..', path))
  }
  return [...loaded].sort()
}

/** Where a source map leads to, as paths in the package, besides to what rolldown itself has added, which is in no file. */
async function sourcesOf({ folder }: PackedPackage, map: string): Promise<string[]> {
  const { sources } = JSON.parse(await readFile(join(folder, map), 'utf8')) as { sources: string[] }
  return sources.filter((source) => !source.includes('\0')).map((source) => posix.join(map, '..', source))
}

describe('a project that installs the tarballs', () => {
  let projects: string

  beforeAll(async () => {
    projects = join(folder, 'consumers')
    await installConsumers(projects, packages)
  }, HOOK_TIMEOUT_MS)

  it.each(['complete', 'commonjs'])('imports every entry there is: %s', async (project) => {
    const code = await readFile(join(projects, project, 'main.ts'), 'utf8')
    const entries = packages.flatMap(({ name, manifest }) =>
      Object.keys(manifest.exports).map((entry) => posix.join(name, entry)),
    )
    const imported = [...code.matchAll(/ from '(@background-workers\/[^']+)'/g)].map(([, entry]) => String(entry))
    expect(imported.sort()).toEqual(entries.filter((entry) => !entry.endsWith('/package.json')).sort())
  })

  it('exports from every entry what its source exports, and nothing else', async () => {
    const entries = packages.flatMap(({ name, manifest }) =>
      Object.entries(manifest.exports).flatMap(([entry, target]) =>
        typeof target === 'string' ? [] : { specifier: posix.join(name, entry), name, code: target.default },
      ),
    )
    const names = async ({ name, code }: (typeof entries)[number]) => {
      const source = code.replace('./dist/', 'src/').replace(/\.js$/, '.ts')
      return Object.keys(await import(join(ROOT, 'packages', posix.basename(name), source))).sort()
    }
    const expected = await Promise.all(entries.map(async (entry) => [entry.specifier, await names(entry)]))
    const specifiers = entries.map(({ specifier }) => specifier)
    const program = `Promise.all(${JSON.stringify(specifiers)}.map(async (entry) => [entry, Object.keys(await import(entry)).sort()]))
      .then((exported) => console.log(JSON.stringify(exported)))`
    const output = await run(process.execPath, ['--eval', program], join(projects, 'complete'))
    expect(JSON.parse(output)).toEqual(expected)
  })

  describe.each([
    ['minimal', { runs: true, live: 200, abandoned: [] }],
    [
      'complete',
      {
        alone: 'succeeded',
        hosted: 'succeeded',
        page: [200, true],
        lock: true,
        handler: 'function',
        workers: ['other'],
        hash: 'number',
        hasContract: true,
        sharesClasses: [true, true, true, true],
        errorName: 'InvalidWorkerError',
      },
    ],
    ['commonjs', { outcome: 'succeeded', code: 'duplicate-worker', kinds: Array(11).fill('function') }],
  ])('%s', (project, said) => {
    it('compiles strictly, and so do the declarations of all its dependencies', async () => {
      expect(await tsc(['-p', '.'], join(projects, project))).toBe('')
    })

    it('runs on this Node', async () => {
      const output = await run(process.execPath, ['dist/main.js'], join(projects, project))
      expect(JSON.parse(output)).toEqual(said)
    })

    it("runs on the machine's Node", async ({ skip }) => {
      const node = await findMachineNode()
      if (!node) return skip('There is no node on the PATH besides the one of the workspace.')
      const range = packages[0]?.manifest.engines.node as string
      if (!isSupported(node.version, range)) return skip(`Node ${node.version} is not ${range}.`)
      const output = await run(node.path, ['dist/main.js'], join(projects, project))
      expect(JSON.parse(output)).toEqual(said)
    })
  })
})
