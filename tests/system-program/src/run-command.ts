import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** A program and its arguments. */
export type Command = readonly [string, ...string[]]

/** Runs it to its end. Rejects when it fails, or takes longer than the time. */
export function runCommand([program, ...args]: Command, timeoutMs: number): Promise<unknown> {
  return promisify(execFile)(program, args, { timeout: timeoutMs, killSignal: 'SIGKILL' })
}

/** Whether the command ends well within a few seconds. */
export function works(command: Command): Promise<boolean> {
  return runCommand(command, 10_000).then(
    () => true,
    () => false,
  )
}
