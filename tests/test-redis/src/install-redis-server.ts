import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { findRedisServer } from './find-redis-server.ts'

/** What decides whether and how the tests may install redis-server. */
export interface Machine {
  readonly isRoot: boolean
  /** Whether `sudo` works without a password. */
  readonly canSudo: boolean
  readonly isContainer: boolean
  readonly isCi: boolean
  readonly packageManager: 'apt-get' | 'apk' | 'dnf' | undefined
}

export type Command = readonly [string, ...string[]]

/**
 * The commands that install redis-server, in order, until one is on the path; none where they would change a machine that
 * somebody works on: only root in a container or CI, or CI whose user may `sudo` without a password, is not asked.
 */
export function installCommands(machine: Machine): readonly Command[] {
  const mayInstall = machine.isRoot ? machine.isContainer || machine.isCi : machine.isCi && machine.canSudo
  if (!mayInstall || machine.packageManager === undefined) return []
  const commands = COMMANDS[machine.packageManager]
  return machine.isRoot ? commands : commands.map((command) => ['sudo', '-n', ...command])
}

const COMMANDS: Record<'apt-get' | 'apk' | 'dnf', readonly Command[]> = {
  'apt-get': [
    ['apt-get', 'update', '-q'],
    // the second word stops Debian from starting the service, whose port is nobody's business here
    [
      'env',
      'RUNLEVEL=1',
      'DEBIAN_FRONTEND=noninteractive',
      'apt-get',
      'install',
      '-yq',
      '--no-install-recommends',
      'redis-server',
    ],
  ],
  apk: [
    ['apk', 'add', '--no-cache', 'redis'],
    ['apk', 'add', '--no-cache', 'valkey'],
  ],
  dnf: [
    ['dnf', 'install', '-y', 'redis'],
    ['dnf', 'install', '-y', 'valkey'],
  ],
}

/** Answers with the path of the server once it is installed, or with the reason why it is not. Never asks anything. */
export async function installRedisServer(): Promise<{ path: string } | { reason: string }> {
  const commands = installCommands(await lookAtMachine())
  if (commands.length === 0) {
    return { reason: 'not tried: only done for root in a container or CI, with apt-get, apk or dnf' }
  }
  let reason = 'the package has no redis-server'
  for (const command of commands) {
    console.info(`test-redis: ${command.join(' ')}`)
    try {
      await run(command)
    } catch (error) {
      // one source of several that cannot be updated does not matter when the package is there all the same
      reason = `"${command.join(' ')}" failed: ${(error as Error).message.trim().slice(-500)}`
    }
    const path = findRedisServer()
    if (path) return { path }
  }
  return { reason }
}

async function lookAtMachine(): Promise<Machine> {
  const isRoot = process.getuid?.() === 0
  const isCi = ![undefined, '', '0', 'false'].includes(process.env.CI)
  return {
    isRoot,
    isCi,
    canSudo: !isRoot && isCi && (await works(['sudo', '-n', 'true'])),
    isContainer: isContainer(),
    packageManager: await firstThatWorks(['apt-get', 'apk', 'dnf']),
  }
}

// There is no one sign of a container: these are Docker's, Podman's, that of systemd-nspawn and LXC, and Kubernetes' own;
// containerd leaves only its layers.
function isContainer(): boolean {
  if (['/.dockerenv', '/run/.containerenv'].some((file) => existsSync(file))) return true
  if (process.env.container || process.env.KUBERNETES_SERVICE_HOST) return true
  return existsSync('/proc/mounts') && /^\S+ \/ (overlay|fuse-overlayfs) /m.test(readFileSync('/proc/mounts', 'utf8'))
}

async function firstThatWorks<T extends string>(programs: readonly T[]): Promise<T | undefined> {
  for (const program of programs) if (await works([program, '--version'])) return program
  return undefined
}

/** Whether the command ends well within a few seconds. */
export function works(command: Command): Promise<boolean> {
  return run(command, 10_000).then(
    () => true,
    () => false,
  )
}

function run([program, ...args]: Command, timeoutMs = 180_000): Promise<unknown> {
  return promisify(execFile)(program, args, { timeout: timeoutMs, killSignal: 'SIGKILL' })
}
