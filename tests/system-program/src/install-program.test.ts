import { describe, expect, it } from 'vitest'
import { type Machine, installCommands } from './install-program.ts'

const PACKAGES = { 'apt-get': ['redis-server'], apk: ['redis', 'valkey'], dnf: ['redis', 'valkey'] }

describe('installCommands', () => {
  const container: Machine = {
    isRoot: true,
    canSudo: false,
    isContainer: true,
    isCi: false,
    packageManager: 'apt-get',
  }

  it('installs as root in a container', () => {
    expect(installCommands(PACKAGES, container).map((command) => command.join(' '))).toEqual([
      'apt-get update -q',
      expect.stringMatching(/apt-get install .*redis-server$/),
    ])
  })

  it.each(['apk', 'dnf'] as const)('installs one package after the other with %s', (packageManager) => {
    const commands = installCommands(PACKAGES, { ...container, packageManager })
    expect(commands.map((command) => command.at(-1))).toEqual(['redis', 'valkey'])
  })

  it('installs as root in CI', () => {
    expect(installCommands(PACKAGES, { ...container, isContainer: false, isCi: true })).not.toEqual([])
  })

  it('uses sudo in CI when it asks for no password', () => {
    const commands = installCommands(PACKAGES, { ...container, isRoot: false, isCi: true, canSudo: true })
    for (const command of commands) expect(command.slice(0, 2)).toEqual(['sudo', '-n'])
    expect(commands).toHaveLength(2)
  })

  it.each<[string, Partial<Machine>]>([
    ['root of a machine that is neither a container nor CI', { isContainer: false }],
    ['a user in a container', { isRoot: false }],
    ['a user in CI who cannot sudo', { isRoot: false, isCi: true }],
    ['a user outside CI who could sudo', { isRoot: false, canSudo: true }],
    ['a package manager it does not know', { packageManager: undefined }],
  ])('installs nothing for %s', (_, machine) => {
    expect(installCommands(PACKAGES, { ...container, ...machine })).toEqual([])
  })
})
