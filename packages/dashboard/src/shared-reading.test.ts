import type { WorkerStatus } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { workerStatus } from '../test/fixtures/stub-manager.ts'
import { SharedReading } from './shared-reading.ts'

describe('SharedReading', () => {
  it('reads once for all who want it meanwhile', async () => {
    const { list, answers } = setUp()
    const [one, other] = [list.read(), list.read()]
    answers[0]?.resolve([workerStatus('a')])
    expect(await one).toBe(await other)
    expect(answers).toHaveLength(1)
  })

  it('gives nobody what was asked for before a change', async () => {
    const { list, answers } = setUp()
    const before = list.read()
    list.forget()
    const after = list.read()
    answers[1]?.resolve([workerStatus('new')])
    answers[0]?.resolve([workerStatus('old')])
    expect((await after)[0]?.name).toBe('new')
    expect((await before)[0]?.name).toBe('old')
    expect((await list.read())[0]?.name).toBe('new')
  })

  it('reads again after a failure', async () => {
    const { list, answers } = setUp()
    const failed = list.read()
    answers[0]?.reject(new Error('away'))
    await expect(failed).rejects.toThrow('away')
    const again = list.read()
    answers[1]?.resolve([])
    expect(await again).toEqual([])
  })

  it('hands on each value once', async () => {
    const { list, answers, read } = setUp()
    const all = [list.read(), list.read()]
    answers[0]?.resolve([workerStatus('a')])
    await Promise.all(all)
    expect(read).toEqual([['a']])
  })
})

function setUp() {
  const answers: PromiseWithResolvers<WorkerStatus[]>[] = []
  const read: string[][] = []
  const readList = () => {
    const answer = Promise.withResolvers<WorkerStatus[]>()
    answers.push(answer)
    return answer.promise
  }
  return { answers, read, list: new SharedReading(readList, (workers) => read.push(workers.map(({ name }) => name))) }
}
