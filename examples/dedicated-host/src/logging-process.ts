import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A line of a pino log. */
export interface LogLine {
  readonly msg: string
  readonly port?: number
}

/** One of the two processes, started from its file. It logs JSON lines. */
export class LoggingProcess implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #ended: Promise<void>
  readonly #lines: string[] = []
  #look = () => {}

  constructor(file: string, environment: Record<string, string>, interruption: AbortSignal) {
    const child = spawn(process.execPath, [file], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
      signal: interruption,
    })
    // Interrupted: it is told to end, and `logged` and `stop` say so.
    child.on('error', () => {})
    createInterface(child.stdout).on('line', (line) => {
      this.#lines.push(line)
      this.#look()
    })
    this.#process = child
    this.#ended = new Promise((resolve) => child.once('close', () => resolve()))
    child.once('close', () => this.#look())
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Waits until it has logged that. Throws when it ends before. */
  logged(message: string): Promise<LogLine> {
    const { promise, resolve, reject } = Promise.withResolvers<LogLine>()
    this.#look = () => {
      const line = this.#lines.map((text) => JSON.parse(text) as LogLine).find(({ msg }) => msg === message)
      if (line) resolve(line)
      else if (this.#hasEnded) reject(new Error(`It ended before "${message}":\n${this.#lines.slice(-5).join('\n')}`))
    }
    this.#look()
    return promise
  }

  /** SIGTERM, as a process manager sends it. Gives the exit code. */
  async stop(): Promise<number | null> {
    this.#process.kill('SIGTERM')
    await this.#ended
    return this.#process.exitCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return
    this.#process.kill('SIGKILL')
    await this.#ended
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }
}
