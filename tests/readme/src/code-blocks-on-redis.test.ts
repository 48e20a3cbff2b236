import { Queue } from 'bullmq'
import { freshApplicationName, removeApplication, sharedRedis } from 'test-redis'
import { expect, it } from 'vitest'
import { type CodeBlock, readTypeScript } from './documents.ts'
import { movedTo, needsRedis, runProgram } from './program.ts'

const blocks = await readTypeScript()
const [usedBefore, ...fromBullMq] = blocks.filter(({ document }) => document === 'docs/migration/bullmq.md')
/** It needs a queue that has been used before. */
const cleanUp = fromBullMq.find(({ isRun }) => isRun) as CodeBlock
const programs = blocks.filter((block) => block.isRun && needsRedis(block) && block !== cleanUp)

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
    }
  },
)

it('the clean-up of the page on BullMQ removes what the page has made before, and fails where it is not', async () => {
  const { url } = await sharedRedis()
  const [, usedName, scheduler = ''] =
    /new Queue\('(.+?)'[\s\S]*upsertJobScheduler\(\s*'(.+?)'/.exec(usedBefore?.code ?? '') ?? []
  const queueName = freshApplicationName()
  const moved = movedTo(cleanUp, url, freshApplicationName())
  const program = { ...moved, code: moved.code.replaceAll(`'${usedName}'`, `'${queueName}'`) }
  const queue = new Queue(queueName, { connection: { url } })
  try {
    await queue.upsertJobScheduler(scheduler, { pattern: '0 3 * * *' })
    await runProgram(program)
    expect(await queue.getJobSchedulers()).toEqual([])
    await expect(runProgram(program)).rejects.toThrow('code: 1')
  } finally {
    await queue.obliterate({ force: true })
    await queue.close()
  }
})
