import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'

/** A child process that does not outlive this one, even when this one is killed. */
export class WatchedProcess {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #ended: Promise<void>

  /**
   * Starts it in the folder `dir`, and appends what it prints to `logFile`.
   * @param folderToRemove what to remove when this process ends first, or ''
   */
  constructor(program: string, args: readonly string[], dir: string, logFile: string, folderToRemove: string) {
    const log = openSync(logFile, 'a')
    // detached: a Ctrl+C in the terminal is for the tests, which then end this in order
    this.#child = spawn(program, args, { cwd: dir, detached: true, stdio: ['ignore', log, log] })
    closeSync(log)
    this.#child.on('error', () => {})
    if (this.#child.pid === undefined) throw new Error(`${program} cannot be started in ${dir}.`)
    this.pid = this.#child.pid
    const watchdog = startWatchdog(this.pid, folderToRemove)
    const watchdogEnded = ended(watchdog)
    this.#ended = ended(this.#child).then(() => {
      watchdog.kill('SIGKILL')
      return watchdogEnded
    })
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Nothing happens when it has ended. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Whether it ended within the time. @default without end */
  async waitForEnd(patienceMs?: number): Promise<boolean> {
    const hasEnded = this.#ended.then(() => true)
    if (patienceMs === undefined) return hasEnded
    let timer: NodeJS.Timeout | undefined
    const outOfPatience = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, patienceMs, false)
    })
    return Promise.race([hasEnded, outOfPatience]).finally(() => clearTimeout(timer))
  }
}

// The kernel closes the pipe when this process ends, in whatever way; only then does `read` return.
const WATCHDOG = 'read -r _; kill -9 "$1" 2>/dev/null; [ -z "$2" ] || rm -rf -- "$2"'

function startWatchdog(pid: number, folderToRemove: string): ChildProcess {
  return spawn('sh', ['-c', WATCHDOG, 'redis-watchdog', String(pid), folderToRemove], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once('close', () => resolve()))
}
