import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const PACKAGE = fileURLToPath(new URL('..', import.meta.url))
const TIMEOUT_MS = 120_000

const READMES = [
  'README.md',
  'packages/abstractions/README.md',
  'packages/default-manager/README.md',
  'packages/hosting/README.md',
  'packages/bullmq-manager/README.md',
]
const DOCUMENTS = [...READMES, 'ARCHITECTURE.md', 'CONTRIBUTING.md']
const WITH_TYPESCRIPT = [...READMES, 'CONTRIBUTING.md']

interface Snippet {
  /** Readme and line of the opening fence, so that an error of the compiler leads back to it. */
  readonly file: string
  readonly firstLine: number
  readonly lastLine: number
  readonly code: string
}

// In this package, so that what the snippets import is found, and not in node_modules, where Node strips no types.
let folder: string
let snippets: Snippet[]
let child: ChildProcess | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(PACKAGE, 'snippets-'))
  snippets = (await Promise.all(WITH_TYPESCRIPT.map(readSnippets))).flat()
  await Promise.all(snippets.map(({ file, code }) => writeFile(join(folder, file), code)))
  const tsconfig = { extends: '../tsconfig.json', compilerOptions: { noEmit: true }, include: ['.'] }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig))
})

afterEach(() => child?.kill('SIGKILL'))
afterAll(() => rm(folder, { recursive: true }))

describe('the TypeScript in the documents', () => {
  it('is there in each of them', () => {
    for (const readme of WITH_TYPESCRIPT)
      expect(snippets.filter(({ file }) => file.startsWith(prefixOf(readme)))).not.toEqual([])
  })

  it('compiles under the strict settings of the workspace', { timeout: TIMEOUT_MS }, async () => {
    const { stdout } = await run(join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder)
    expect(stdout).toBe('')
  })
})

describe('the first example', () => {
  it('is complete by line 20', () => {
    expect(firstExample().lastLine).toBeLessThanOrEqual(20)
  })

  it('runs once a second, and Ctrl+C lets the process end by itself', { timeout: TIMEOUT_MS }, async () => {
    const example = start(join(folder, firstExample().file))
    const slots = () =>
      [...example.stdout().matchAll(/^deleting old logs (\S+)$/gm)].map(([, slot]) => Date.parse(slot as string))
    await expect.poll(() => slots().length, { timeout: TIMEOUT_MS }).toBeGreaterThanOrEqual(3)
    example.interrupt()
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr()).toBe('')
    // A slot that a busy machine misses is missed; those that run are whole seconds apart.
    const [first = 0, ...others] = slots()
    for (const slot of others) expect((slot - first) % 1_000).toBe(0)
  })
})

it('runs the example of a test', { timeout: TIMEOUT_MS }, async () => {
  const example = snippets.find(({ code }) => code.includes('@background-workers/abstractions/testing'))
  // It rejects unless the exit code is 0.
  await run(join(folder, (example as Snippet).file))
})

describe('the tables of the README', () => {
  it('have every error code', async () => {
    const errors = await readText('packages/abstractions/src/errors.ts')
    const union = /type BackgroundWorkerErrorCode =([^/]*?)\n\n/.exec(errors)?.[1] ?? ''
    expect(await firstColumn('## Errors')).toEqual([...union.matchAll(/'([^']+)'/g)].map(([, code]) => code))
  })

  it('have every field of a policy', async () => {
    const policy = await readText('packages/abstractions/src/policy.ts')
    const body = /interface PeriodicWorkerPolicy \{([\s\S]*?)\n\}/.exec(policy)?.[1] ?? ''
    expect(await firstColumn('## Policies')).toEqual([...body.matchAll(/readonly (\w+)\?:/g)].map(([, name]) => name))
  })
})

it.each(DOCUMENTS)('%s links to what is there', async (document) => {
  const text = await readText(document)
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target as string)
  const missing = []
  for (const target of targets.filter((link) => !/^https?:/.test(link))) {
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? document : join(dirname(document), path)
    const isThere = existsSync(join(ROOT, file)) && (anchor === undefined || (await anchorsOf(file)).includes(anchor))
    if (!isThere) missing.push(target)
  }
  expect(missing).toEqual([])
})

async function readSnippets(readme: string): Promise<Snippet[]> {
  const text = await readText(readme)
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => {
    const firstLine = lineAt(text, match.index)
    const code = match[1] as string
    const lastLine = firstLine + code.split('\n').length
    return { file: `${prefixOf(readme)}${firstLine}.ts`, firstLine, lastLine, code }
  })
}

function firstExample(): Snippet {
  return snippets.find(({ file }) => file.startsWith(prefixOf('README.md'))) as Snippet
}

/** The name of a readme as the start of a file name. */
function prefixOf(readme: string): string {
  return `${readme.replaceAll('/', '.')}-`
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

/** The names in the first column of the first table under a heading, without their backticks. */
async function firstColumn(heading: string): Promise<string[]> {
  const [, below = ''] = (await readText('README.md')).split(`\n${heading}\n`)
  const [section = ''] = below.split('\n## ')
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name as string)
}

/** The anchors that GitHub makes of the headings. */
async function anchorsOf(file: string): Promise<string[]> {
  if (!file.endsWith('.md')) return []
  const headings = [...(await readText(file)).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading as string)
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function readText(file: string): Promise<string> {
  return readFile(join(ROOT, file), 'utf8')
}

/** Runs a program of Node to its end. A failure shows what it wrote. */
function run(...args: readonly string[]): Promise<{ readonly stdout: string }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stdout}${stderr}`))
      else resolve({ stdout })
    })
  })
}

function start(file: string) {
  const started = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] })
  child = started
  const output = { stdout: '', stderr: '' }
  started.stdout.on('data', (chunk) => {
    output.stdout += chunk
  })
  started.stderr.on('data', (chunk) => {
    output.stderr += chunk
  })
  return {
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    interrupt: () => started.kill('SIGINT'),
    exit: new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      started.once('close', (code, signal) => resolve({ code, signal }))
    }),
  }
}
