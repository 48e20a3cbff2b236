import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { provideChromium } from './provide-chromium.ts'

let bin: string

beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), 'provide-chromium-'))
  vi.stubEnv('PATH', bin)
  vi.stubEnv('CHROMIUM_PATH', '')
})

afterEach(async () => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  await rm(bin, { recursive: true })
})

async function program(name: string, body = ''): Promise<string> {
  const file = join(bin, name)
  await writeFile(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 })
  return file
}

it('takes CHROMIUM_PATH before anything else, and says so when no program is there', async () => {
  await program('chromium')
  const other = await program('other')
  vi.stubEnv('CHROMIUM_PATH', other)
  expect(await provideChromium()).toBe(other)
  vi.stubEnv('CHROMIUM_PATH', join(bin, 'none'))
  await expect(provideChromium()).rejects.toThrow(/CHROMIUM_PATH is .*none, where no program is/)
})

it.each(['chromium', 'chromium-browser', 'google-chrome'])('takes %s from the path', async (name) => {
  const file = await program(name)
  expect(await provideChromium()).toBe(file)
})

it('installs chromium where it may', async () => {
  for (const name of ['/usr/bin/env', '/bin/ln', '/bin/sh']) await symlink(name, join(bin, name.split('/').at(-1)!))
  await program('sudo', 'shift; exec "$@"')
  await program('apt-get', `case "$*" in install*chromium) ln -s /bin/sh "${bin}/chromium";; esac`)
  vi.stubEnv('CI', 'true')
  vi.spyOn(console, 'info').mockReturnValue()
  expect(await provideChromium()).toBe(join(bin, 'chromium'))
})

it('says what to install when there is no other way', async () => {
  await expect(provideChromium()).rejects.toThrow(
    /there is none[\s\S]*not tried[\s\S]*apt-get install chromium[\s\S]*CHROMIUM_PATH/,
  )
})
