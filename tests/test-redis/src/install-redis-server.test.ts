import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findRedisServer } from './find-redis-server.ts'
import { installCommands, type Machine } from './install-redis-server.ts'

describe('installCommands', () => {
  const container: Machine = {
    isRoot: true,
    canSudo: false,
    isContainer: true,
    isCi: false,
    packageManager: 'apt-get',
  }

  it('installs as root in a container', () => {
    expect(installCommands(container).map((command) => command.join(' '))).toEqual([
      'apt-get update -q',
      expect.stringMatching(/apt-get install .*redis-server$/),
    ])
  })

  it.each(['apk', 'dnf'] as const)('installs with %s, and takes valkey where there is no redis', (packageManager) => {
    const commands = installCommands({ ...container, packageManager })
    expect(commands.map((command) => command.at(-1))).toEqual(['redis', 'valkey'])
  })

  it('installs as root in CI', () => {
    expect(installCommands({ ...container, isContainer: false, isCi: true })).not.toEqual([])
  })

  it('uses sudo in CI when it asks for no password', () => {
    const commands = installCommands({ ...container, isRoot: false, isCi: true, canSudo: true })
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
    expect(installCommands({ ...container, ...machine })).toEqual([])
  })
})

describe('findRedisServer', () => {
  it('finds redis-server, else valkey-server, else nothing', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'test-redis-path-'))
    try {
      const [empty, first, second] = [join(dir, 'empty'), join(dir, 'first'), join(dir, 'second')] as const
      for (const folder of [empty, first, second]) await mkdir(folder)
      const path = [empty, first, second].join(delimiter)
      expect(findRedisServer(path)).toBeUndefined()

      await writeFile(join(first, 'valkey-server'), '')
      expect(findRedisServer(path)).toBeUndefined()
      await chmod(join(first, 'valkey-server'), 0o755)
      expect(findRedisServer(path)).toBe(join(first, 'valkey-server'))

      await writeFile(join(second, 'redis-server'), '', { mode: 0o755 })
      expect(findRedisServer(path)).toBe(join(second, 'redis-server'))
    } finally {
      await rm(dir, { recursive: true })
    }
  })
})
