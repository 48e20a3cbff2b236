import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { DecidedMarks } from './decided-marks.ts'
import type { DecidedMark, Store } from './store.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function decidedMarks() {
  const written: (readonly DecidedMark[])[] = []
  const errors: unknown[] = []
  let refusal: Error | undefined
  const store = {
    raiseAllDecided: async (marks: readonly DecidedMark[]) => {
      if (refusal) throw refusal
      written.push(marks)
    },
  } as unknown as Store
  const marks = new DecidedMarks(store, (error) => errors.push(error))
  const refuse = (error: Error | undefined) => {
    refusal = error
  }
  return { marks, written, errors, refuse }
}

it('raises the marks of slots whose runs wait, all at once', async () => {
  const { marks, written } = decidedMarks()
  marks.add('one', 1_000)
  marks.add('two', 2_000)
  await vi.runAllTimersAsync()
  expect(written).toEqual([
    [
      { worker: 'one', slot: 1_000 },
      { worker: 'two', slot: 2_000 },
    ],
  ])
  marks.add('one', 3_000)
  await vi.runAllTimersAsync()
  expect(written.slice(1)).toEqual([[{ worker: 'one', slot: 3_000 }]])
})

it('raises none of a run that has been decided meanwhile, unless a later slot has come', async () => {
  const { marks, written } = decidedMarks()
  marks.add('one', 1_000)
  marks.delete('one', 1_000)
  await vi.runAllTimersAsync()
  expect(written).toEqual([])
  marks.add('one', 2_000)
  marks.delete('one', 1_000)
  await vi.runAllTimersAsync()
  expect(written).toEqual([[{ worker: 'one', slot: 2_000 }]])
})

it('is done when the last mark is written', async () => {
  const { marks, written } = decidedMarks()
  marks.add('one', 1_000)
  marks.delete('one', 1_000)
  marks.add('two', 2_000)
  const isDone = marks.written.then(() => written.length)
  await vi.runAllTimersAsync()
  expect(await isDone).toBe(1)
})

it('tells what Redis refuses, and goes on', async () => {
  const { marks, written, errors, refuse } = decidedMarks()
  refuse(new Error('OOM'))
  marks.add('one', 1_000)
  await vi.runAllTimersAsync()
  await marks.written
  expect(errors).toEqual([new Error('OOM')])
  refuse(undefined)
  marks.add('one', 2_000)
  await vi.runAllTimersAsync()
  expect(written).toEqual([[{ worker: 'one', slot: 2_000 }]])
})
