import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const APPLICATION = new URL('application.ts', import.meta.url)

/** What all instances have in common. */
export interface InstanceOptions {
  readonly redisUrl: string
  readonly applicationName: string
  /** Where each instance writes its log. */
  readonly logFolder: string
  /** What it runs. @default the application of this example */
  readonly application?: URL
  /** What else it finds in its environment. */
  readonly env?: Readonly<Record<string, string>>
}

/** A process that runs an application. */
export class Instance implements AsyncDisposable {
  readonly name: string
  readonly #logFile: string
  readonly #process: ChildProcess
  readonly #ended: Promise<unknown>
  #mayEnd = false

  constructor(name: string, options: InstanceOptions) {
    const { redisUrl, applicationName, logFolder, application = APPLICATION, env } = options
    this.name = name
    this.#logFile = join(logFolder, `instance-${name}.log`)
    const log = openSync(this.#logFile, 'a')
    this.#process = fork(fileURLToPath(application), {
      env: { ...process.env, ...env, REDIS_URL: redisUrl, APPLICATION_NAME: applicationName, INSTANCE_NAME: name },
      stdio: ['ignore', log, log, 'ipc'],
    })
    closeSync(log)
    this.#ended = once(this.#process, 'exit')
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Throws when the process has ended by itself. */
  check(): void {
    if (!this.#mayEnd && this.#hasEnded) this.#fail()
  }

  /** SIGKILL: it has no time to say goodbye. */
  async kill(): Promise<void> {
    this.#mayEnd = true
    this.#process.kill('SIGKILL')
    await this.#ended
  }

  /** SIGTERM, as a process manager sends it: the runs under way finish, and the exit code is 0. */
  async stop(): Promise<void> {
    this.#mayEnd = true
    this.#process.kill('SIGTERM')
    await this.#ended
    if (this.#process.exitCode !== 0) this.#fail()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) await this.kill()
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  /** The last lines of its log. */
  get lastLogLines(): string[] {
    return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-10)
  }

  #fail(): never {
    const { exitCode, signalCode } = this.#process
    throw new Error(`Instance ${this.name} ended with ${exitCode ?? signalCode}.`)
  }
}
