import { StoreUnavailableError, every } from '@background-workers/abstractions'
import { fillPolicy, safeLogger } from '@background-workers/abstractions/for-managers'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { describe, expect, it } from 'vitest'
import type { ManagedWorker } from './managed-worker.ts'
import { type StartRunsParts, requestStartRuns } from './start-runs.ts'

const policy = fillPolicy({ runOnStart: true })
const names = Array.from({ length: 60 }, (_, index) => `w${index}`)
const entries = names.map((name) => {
  const definition = { kind: 'periodic', name, schedule: every(60_000), policy } as const
  return { definition, startState: 'ready' } as unknown as ManagedWorker
})

/** Asks for the runs of many workers, with this outcome of the calls one after the other. */
async function request(outcome: (call: number) => Promise<void>) {
  const logger = new RecordingLogger()
  let calls = 0
  const connection = { send: () => outcome(++calls) }
  await requestStartRuns(entries, { connection, logger: safeLogger(logger) } as unknown as StartRunsParts)
  return { calls, lines: logger.lines.map(({ message, data }) => ({ message, data })) }
}

describe('requestStartRuns', () => {
  it('asks no more once Redis does not answer, and says so once', async () => {
    const err = new StoreUnavailableError('start: Redis did not answer.')
    const { calls, lines } = await request(() => new Promise((_, reject) => setImmediate(() => reject(err))))
    expect(calls).toBeLessThan(names.length)
    const message = 'runOnStart: runs could not be asked for'
    expect(lines).toEqual([{ message, data: { err, workers: expect.arrayContaining(names) } }])
  })

  it('goes on with the others when Redis refuses one', async () => {
    const cause = Object.assign(new Error('WRONGTYPE'), { name: 'ReplyError' })
    const err = new StoreUnavailableError('start: Redis refuses.', { cause })
    const { calls, lines } = await request(async (call) => {
      if (call === 1) throw err
    })
    expect(calls).toBe(names.length)
    expect(lines).toEqual([{ message: 'runOnStart: the run could not be asked for', data: { err, worker: 'w0' } }])
  })
})
