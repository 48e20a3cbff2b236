import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { WorkerReader, type WorkerReaderParts } from './worker-reader.ts'

/** A reader of a store without workers that notes what it is asked. */
function createReader() {
  const asked: string[] = []
  const answer = Promise.withResolvers<void>()
  const parts = {
    connection: { isThere: true, send: (_call: string, work: () => Promise<unknown>) => work() },
    store: {
      readAll: async () => {
        asked.push('workers')
        await answer.promise
        return { version: '0', workers: new Map() }
      },
    },
    reconciler: {
      isSettlingIn: false,
      look: async () => {
        asked.push('instances')
        return []
      },
    },
    watch: { reasons: () => [] },
    entries: new Map(),
  }
  return { reader: new WorkerReader(parts as unknown as WorkerReaderParts), asked, answer: answer.resolve }
}

it('reads once for a list and a health that are asked for together', async () => {
  const { reader, asked, answer } = createReader()
  answer()
  expect(await Promise.all([reader.list(), reader.reasons(), reader.list()])).toEqual([[], [], []])
  expect(asked).toEqual(['workers', 'instances'])
})

it('reads after all that was called in the same moment, and again for whoever comes while it reads', async () => {
  const { reader, asked, answer } = createReader()
  const first = reader.list()
  asked.push('a change')
  const second = reader.reasons()
  await nextTurn()
  const third = reader.list()
  answer()
  await Promise.all([first, second, third])
  expect(asked).toEqual(['a change', 'workers', 'instances', 'workers', 'instances'])
})
