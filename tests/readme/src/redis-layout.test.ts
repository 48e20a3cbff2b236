import { describe, expect, it } from 'vitest'
import { Keys, TICK_QUEUE, runQueueName } from '../../../packages/bullmq-manager/src/keys.ts'
import { FIELDS, OUTCOME_LETTERS } from '../../../packages/bullmq-manager/src/stored-worker.ts'
import { firstColumn, readTable } from './documents.ts'

const keys = new Keys('app')
const ofBullMq = [`${keys.prefix}:${TICK_QUEUE}:`, `${keys.prefix}:${runQueueName('<queue>')}:`]

/** All that the key builder makes, but for what is BullMQ's own. */
const ours = [
  ...Object.values(keys).filter((key) => key !== keys.prefix),
  keys.records('<worker>'),
  keys.order('<worker>', 'runs'),
  keys.order('<worker>', 'non-runs'),
].filter((key) => !ofBullMq.some((prefix) => key.startsWith(prefix)))

describe('what the documents say is kept in Redis', () => {
  it('is every key of ours, in ARCHITECTURE.md', async () => {
    expect(ours).toHaveLength(9)
    expect(new Set(await firstColumn('ARCHITECTURE.md', '## What is kept in Redis'))).toEqual(new Set(ours))
  })

  it('is every key of ours and the prefixes of BullMQ, in docs/operating.md', async () => {
    const all = [...ours, ...ofBullMq.map((prefix) => `${prefix}*`)]
    expect(new Set(await firstColumn('docs/operating.md', '## What is kept in Redis'))).toEqual(new Set(all))
  })

  it('is every field of a worker, in the order in which they are read', async () => {
    expect(await firstColumn('ARCHITECTURE.md', '### The fields of a worker')).toEqual(FIELDS)
  })

  it('is the letter of each outcome', async () => {
    const rows = await readTable('ARCHITECTURE.md', '### The fields of a worker')
    const [, value = ''] = rows.find(([field]) => field === '`recent`') ?? []
    const letters = [...value.matchAll(/`(\w)` (\w+)/g)].map(([, letter, outcome]) => [outcome, letter])
    expect(Object.fromEntries(letters)).toEqual(OUTCOME_LETTERS)
  })
})
