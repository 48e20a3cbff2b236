import { existsSync, readFileSync } from 'node:fs'
import { type Command, runCommand, works } from './run-command.ts'

/** What decides whether and how the tests may install a program. */
export interface Machine {
  readonly isRoot: boolean
  /** Whether `sudo` works without a password. */
  readonly canSudo: boolean
  readonly isContainer: boolean
  readonly isCi: boolean
  readonly packageManager: PackageManager | undefined
}

type PackageManager = 'apt-get' | 'apk' | 'dnf'

/** The packages that have the program, by package manager; the next one is taken where the one before does not do. */
export type Packages = Readonly<Record<PackageManager, readonly string[]>>

/** Where the program is, or why it is not. */
export type InstallResult = { readonly path: string } | { readonly reason: string }

/**
 * The commands that install a program, in order, until it is there; none where they would change a machine that somebody
 * works on: only root in a container or CI, or CI whose user may `sudo` without a password, is not asked.
 */
export function installCommands(packages: Packages, machine: Machine): readonly Command[] {
  const mayInstall = machine.isRoot ? machine.isContainer || machine.isCi : machine.isCi && machine.canSudo
  if (!mayInstall || machine.packageManager === undefined) return []
  const commands = COMMANDS[machine.packageManager](packages[machine.packageManager])
  return machine.isRoot ? commands : commands.map((command) => ['sudo', '-n', ...command])
}

const COMMANDS: Record<PackageManager, (names: readonly string[]) => readonly Command[]> = {
  'apt-get': (names) => [
    ['apt-get', 'update', '-q'],
    ...names.map((name): Command => {
      // the runlevel stops Debian from starting a service, whose port is nobody's business here
      const settings = ['RUNLEVEL=1', 'DEBIAN_FRONTEND=noninteractive']
      return ['env', ...settings, 'apt-get', 'install', '-yq', '--no-install-recommends', name]
    }),
  ],
  apk: (names) => names.map((name) => ['apk', 'add', '--no-cache', name]),
  dnf: (names) => names.map((name) => ['dnf', 'install', '-y', name]),
}

/**
 * Answers with the path of the program once it is installed, or with the reason why it is not. Never asks anything.
 * @param find looks for the program after each command
 */
export async function installProgram(packages: Packages, find: () => string | undefined): Promise<InstallResult> {
  const commands = installCommands(packages, await lookAtMachine())
  if (commands.length === 0) {
    return { reason: 'not tried: only done for root in a container or CI, with apt-get, apk or dnf' }
  }
  let reason = 'the package does not have it'
  for (const command of commands) {
    console.info(`installing what tests need: ${command.join(' ')}`)
    try {
      await runCommand(command, INSTALL_TIMEOUT_MS)
    } catch (error) {
      // one source of several that cannot be updated does not matter when the package is there all the same
      reason = `"${command.join(' ')}" failed: ${(error as Error).message.trim().slice(-500)}`
    }
    const path = find()
    if (path) return { path }
  }
  return { reason }
}

/** A browser is some hundred megabytes. */
const INSTALL_TIMEOUT_MS = 600_000

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
