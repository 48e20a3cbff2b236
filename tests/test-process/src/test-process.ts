import { type ChildProcess, type Serializable, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What a `TestProcess` is started with. */
export interface TestProcessOptions {
  /** What the script finds in `process.argv` after its own name. */
  readonly args?: readonly string[]
  /** Options of Node itself. */
  readonly nodeArgs?: readonly string[]
  /** On top of this process's environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Where it makes its temporary folders. @default where all do */
  readonly temporaryFolder?: string
  /** Makes it believe that it writes to a terminal. @default false */
  readonly isInTerminal?: boolean
  /** After how long it is killed, in ms: less than the time limit of its test, which so fails with what it wrote. @default 110_000 */
  readonly lifetimeMs?: number
}

/** How a process ended: with an exit code, or by a signal. */
export interface ProcessExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A script that runs in a Node process of its own, what it has written, and how it ended. Dispose it: it is gone then. */
export class TestProcess implements AsyncDisposable {
  /** Resolves when it has ended and all that it wrote is here. Never rejects. */
  readonly exit: Promise<ProcessExit>
  readonly #file: string
  readonly #child: ChildProcess
  readonly #output = { stdout: '', stderr: '' }
  #ended: ProcessExit | undefined
  #news = Promise.withResolvers<void>()

  /** Starts it. */
  constructor(file: string | URL, options: TestProcessOptions = {}) {
    const { args = [], nodeArgs = [], isInTerminal = false, lifetimeMs = 110_000 } = options
    this.#file = file instanceof URL ? fileURLToPath(file) : file
    const terminal = isInTerminal ? ['--import', 'data:text/javascript,process.stdout.isTTY = true'] : []
    this.#child = spawn(process.execPath, [...terminal, ...nodeArgs, this.#file, ...args], {
      env: environmentOf(options),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      timeout: lifetimeMs,
      killSignal: 'SIGKILL',
    })
    for (const name of ['stdout', 'stderr'] as const) {
      this.#child[name]?.setEncoding('utf8').on('data', (text: string) => {
        this.#output[name] += text
        this.#tell()
      })
    }
    this.exit = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#ended = { code, signal }
        resolve(this.#ended)
        this.#tell()
      })
    })
  }

  get pid(): number {
    return this.#child.pid as number
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined
  }

  get stdout(): string {
    return this.#output.stdout
  }

  get stderr(): string {
    return this.#output.stderr
  }

  /** The lines of its standard output that are complete. */
  get lines(): string[] {
    return this.stdout.split('\n').slice(0, -1)
  }

  /** Waits for a complete line that is this text, or matches, and gives it. @throws when the process ends before */
  line(wanted: string | RegExp): Promise<string> {
    const fits = (line: string) => (typeof wanted === 'string' ? line === wanted : wanted.test(line))
    return this.until(`the line ${wanted}`, () => this.lines.find(fits))
  }

  /** Waits for a fact that shows in what it writes, and gives it. @throws when the process ends before */
  async until<T>(what: string, fact: () => T): Promise<NonNullable<T>> {
    for (;;) {
      const found = fact()
      if (found) return found
      if (this.#ended) {
        const { code, signal } = this.#ended
        throw new Error(`${this.#file} ended with ${signal ?? code} before ${what}:\n${this.stdout}${this.stderr}`)
      }
      await this.#news.promise
    }
  }

  /** Gives it a message, for its `process.on('message')`. Nothing happens when it has ended. */
  send(message: Serializable): void {
    this.#child.send(message, () => {})
  }

  /** Nothing happens when it has ended. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGKILL')
    await this.exit
  }

  #tell(): void {
    this.#news.resolve()
    this.#news = Promise.withResolvers()
  }
}

function environmentOf({ env, temporaryFolder }: TestProcessOptions): NodeJS.ProcessEnv {
  // All variables by which a system names it.
  const folders = { TMPDIR: temporaryFolder, TMP: temporaryFolder, TEMP: temporaryFolder }
  // What the test runner asks of Node is not for it.
  return { ...process.env, NODE_OPTIONS: '', ...(temporaryFolder === undefined ? {} : folders), ...env }
}
