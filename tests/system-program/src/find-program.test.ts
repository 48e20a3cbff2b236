import { chmod, mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { expect, it } from 'vitest'
import { findProgram } from './find-program.ts'

it('finds the first program in whatever folder, else the second, else nothing', async () => {
  await using base = await mkdtempDisposable(join(tmpdir(), 'find-program-'))
  const names = ['redis-server', 'valkey-server']
  const [empty, first, second] = [
    join(base.path, 'empty'),
    join(base.path, 'first'),
    join(base.path, 'second'),
  ] as const
  for (const folder of [empty, first, second]) await mkdir(folder)
  const path = [empty, first, second].join(delimiter)
  expect(findProgram(names, path)).toBeUndefined()

  await writeFile(join(first, 'valkey-server'), '')
  expect(findProgram(names, path)).toBeUndefined()
  await chmod(join(first, 'valkey-server'), 0o755)
  expect(findProgram(names, path)).toBe(join(first, 'valkey-server'))

  await writeFile(join(second, 'redis-server'), '', { mode: 0o755 })
  expect(findProgram(names, path)).toBe(join(second, 'redis-server'))
})
