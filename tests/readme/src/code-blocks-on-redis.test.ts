import { Redis } from 'ioredis'
import { freshApplicationName, removeApplication, sharedRedis } from 'test-redis'
import { expect, it } from 'vitest'
import { readTypeScript } from './documents.ts'
import { movedTo, needsRedis, runProgram } from './program.ts'

const programs = (await readTypeScript()).filter((block) => block.isRun && needsRedis(block))

it('there are some', () => {
  expect(programs).not.toEqual([])
})

it.each(programs.map((block) => [block.document, block.firstLine, block] as const))(
  'runs on Redis: %s, line %i',
  async (_document, _line, block) => {
    const { url } = await sharedRedis()
    const applicationName = freshApplicationName()
    try {
      await runProgram(movedTo(block, url, applicationName))
    } finally {
      await removeApplication(url, applicationName)
      await removeQueue(url, applicationName)
    }
  },
)

/** What a queue of BullMQ with its usual prefix leaves behind. */
async function removeQueue(url: string, name: string): Promise<void> {
  const client = new Redis(url)
  const keys = await client.keys(`bull:${name}:*`)
  if (keys.length > 0) await client.unlink(keys)
  await client.quit()
}
