import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Mutant } from './mutants.ts'
import { withEdits } from './with-edits.ts'

/** What came of a run of vitest. */
export interface SuiteResult {
  /** Titles of the tests that failed. */
  readonly failed: readonly string[]
  readonly passed: number
  /** Given when the tests could not be loaded, or did not end. */
  readonly problem?: string
}

const COPIED = [
  'package.json',
  'tsconfig.json',
  'packages/abstractions',
  'packages/default-manager',
  'tests/leak-check',
]

/** A fault may make a test wait forever. */
const TIME_LIMIT_MS = 240_000

const config = `export default {
  cacheDir: './.vite',
  test: { setupFiles: ['./tests/leak-check/src/setup.ts'], testTimeout: 20_000, expect: { poll: { timeout: 10_000 } } },
}
`

/** A copy of what the mutants are made in, outside of the working tree. */
export class Workshop {
  readonly #root: string
  readonly #folder: string

  private constructor(root: string, folder: string) {
    this.#root = root
    this.#folder = folder
  }

  static async open(root: string): Promise<Workshop> {
    const folder = await mkdtemp(join(tmpdir(), 'mutants-'))
    for (const path of COPIED) {
      // The links between workspace packages are relative, so those of the copy lead to the copy.
      await cp(join(root, path), join(folder, path), {
        recursive: true,
        verbatimSymlinks: true,
        filter: (source) => basename(source) !== 'dist',
      })
    }
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    await writeFile(join(folder, 'vitest.config.ts'), config)
    const { compilerOptions } = JSON.parse(await readFile(join(root, 'tsconfig.json'), 'utf8'))
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [] }))
    return new Workshop(root, folder)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Runs test files with the fault in place. @throws Error for a text that is not there exactly once. */
  async test(mutant: Mutant): Promise<SuiteResult> {
    const path = join(this.#folder, mutant.file)
    const source = await readFile(path, 'utf8')
    await writeFile(path, withEdits(source, mutant))
    try {
      // The first test that fails has caught it.
      return await this.run(mutant.tests, '--bail=1')
    } finally {
      await writeFile(path, source)
    }
  }

  /** Runs test files as they are; `options` are those of vitest. */
  async run(tests: readonly string[], ...options: readonly string[]): Promise<SuiteResult> {
    const report = join(this.#folder, 'report.json')
    await rm(report, { force: true })
    const vitest = join(this.#root, 'node_modules/vitest/vitest.mjs')
    const parts = [vitest, 'run', '--reporter=json', `--outputFile=${report}`, ...options, ...tests]
    await new Promise<void>((resolve) => {
      execFile(process.execPath, parts, { cwd: this.#folder, timeout: TIME_LIMIT_MS, killSignal: 'SIGKILL' }, () =>
        resolve(),
      )
    })
    return readReport(report)
  }
}

interface Report {
  readonly numPassedTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

async function readReport(path: string): Promise<SuiteResult> {
  let report: Report
  try {
    report = JSON.parse(await readFile(path, 'utf8')) as Report
  } catch {
    return { failed: [], passed: 0, problem: 'vitest did not end' }
  }
  const failed = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
  )
  const broken = report.testResults.find(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  )
  return { failed, passed: report.numPassedTests, ...(broken && { problem: `${broken.name}: ${broken.message}` }) }
}
