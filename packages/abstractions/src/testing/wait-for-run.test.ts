import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { IBackgroundWorkerManager } from '../manager.ts'
import type { FinishedRunRecord, RunRecord } from '../run-record.ts'
import { waitForRun } from './wait-for-run.ts'

/** As much of a manager as `waitForRun` needs. */
class FakeManager {
  records: RunRecord[] = []
  reads = 0
  failure: unknown
  readonly listeners = new Set<(record: RunRecord) => void>()

  on(_event: string, listener: (record: RunRecord) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  async runs(): Promise<RunRecord[]> {
    this.reads++
    if (this.failure) throw this.failure
    return this.records
  }

  emit(record: RunRecord): void {
    for (const listener of this.listeners) listener(record)
  }
}

const record = (runId: string, outcome?: string, worker = 'w') => ({ runId, worker, outcome }) as unknown as RunRecord

function wait(manager: FakeManager, options?: Parameters<typeof waitForRun>[2], worker = 'w') {
  return waitForRun(manager as unknown as IBackgroundWorkerManager, worker, options)
}

describe('waitForRun', () => {
  it('gives the newest run that has finished already', async () => {
    const manager = new FakeManager()
    manager.records = [record('active'), record('new', 'failed'), record('old', 'succeeded')]
    expect((await wait(manager)).runId).toBe('new')
    expect((await wait(manager, { outcome: 'succeeded' })).runId).toBe('old')
    const old: FinishedRunRecord = await wait(manager, { runId: 'old' })
    expect([old.runId, old.outcome]).toEqual(['old', 'succeeded'])
    expect(manager.listeners.size).toBe(0)
  })

  it('waits for the event of a run that fits', async () => {
    const manager = new FakeManager()
    const waiting = wait(manager, { outcome: 'succeeded', runId: 'r2' })
    manager.emit(record('r2', 'succeeded', 'other'))
    manager.emit(record('r1', 'succeeded'))
    manager.emit(record('r2', 'failed'))
    manager.emit(record('r2', 'succeeded'))
    expect(await waiting).toEqual(record('r2', 'succeeded'))
    expect(manager.listeners.size).toBe(0)
  })

  it('finds runs of other instances in the records', async () => {
    const manager = new FakeManager()
    const waiting = wait(manager, { timeoutMs: 20_000 })
    await new Promise((resolve) => setImmediate(resolve))
    expect(manager.reads).toBe(1)
    manager.records = [record('elsewhere', 'succeeded')]
    expect((await waiting).runId).toBe('elsewhere')
    expect(manager.reads).toBe(2)
  })

  it('gives up after the time, says what it waited for, and leaves no listener', async () => {
    const manager = new FakeManager()
    await expect(wait(manager, { timeoutMs: 20 })).rejects.toThrow(
      'waitForRun: worker "w" had no finished run within 20 ms.',
    )
    await expect(wait(manager, { timeoutMs: 20, runId: 'r', outcome: 'failed' })).rejects.toThrow(
      'waitForRun: worker "w" had no finished run "r" with outcome failed within 20 ms.',
    )
    expect(manager.listeners.size).toBe(0)
  })

  it('gives up after the time under fake timers too', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    await expect(wait(new FakeManager(), { timeoutMs: 20 })).rejects.toThrow('within 20 ms')
  })

  it('leaves no timer, also where fake ones clear only their own', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const manager = new FakeManager()
    manager.records = [record('old', 'succeeded')]
    vi.stubGlobal('clearTimeout', () => {})
    onTestFinished(() => void vi.unstubAllGlobals())
    const before = timers()
    await wait(manager)
    expect(timers()).toBe(before)
  })

  it('fails with what the manager fails with', async () => {
    const manager = new FakeManager()
    manager.failure = new Error('unknown worker')
    await expect(wait(manager)).rejects.toThrow('unknown worker')
    expect(manager.listeners.size).toBe(0)
  })

  it.each([
    { timeout: 5 },
    { timeoutMs: 0 },
    { timeoutMs: 2 ** 31 },
    { runId: 5 },
    { outcome: '' },
    { outcome: 'succeded' },
  ])('refuses the options %j', async (options) => {
    await expect(wait(new FakeManager(), options as never)).rejects.toThrow(/^waitForRun: /)
  })

  it('refuses a name that is not a text', async () => {
    await expect(wait(new FakeManager(), {}, 5 as never)).rejects.toThrow(
      "waitForRun: the worker's name must be a text, got 5.",
    )
  })
})
