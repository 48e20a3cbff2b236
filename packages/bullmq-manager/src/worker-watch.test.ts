import { type RunRecord, every } from '@background-workers/abstractions'
import { EventHub, HealthMonitor, WorkerReports, safeLogger } from '@background-workers/abstractions/for-managers'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { describe, expect, it } from 'vitest'
import type { Instance } from './instances.ts'
import type { ManagedWorker } from './managed-worker.ts'
import { RedisClock } from './redis-clock.ts'
import { parseDefinition } from './stored-values.ts'
import type { StoredWorker } from './stored-worker.ts'
import { WorkerWatch } from './worker-watch.ts'

/** A watch of one worker, and what it tells. */
function createWatch() {
  const logger = safeLogger(new RecordingLogger())
  const events = new EventHub(logger)
  const health = new HealthMonitor(events)
  const entries = new Map<string, ManagedWorker>()
  const told: string[] = []
  events.on('health-reason-added', ({ code }) => told.push(`+${code}`))
  events.on('health-reason-cleared', ({ code }) => told.push(`-${code}`))
  const watch = new WorkerWatch({
    clock: new RedisClock(),
    health,
    reports: new WorkerReports(logger, events, health),
    logger,
    entries,
    decideOverdue: () => {},
  })
  const definition = parseDefinition(
    JSON.stringify({
      schedule: every(60_000),
      policy: {},
      release: 0,
      declaredAt: 0,
      since: 0,
      order: 0,
      instanceId: '',
    }),
  )
  const instance = { queues: ['default'] } as unknown as Instance
  const look = (readAt: number, worker: Partial<StoredWorker>) => {
    const stored = { name: 'digest', recentOutcomes: [], consecutiveFailures: 0, ...(definition && { definition }) }
    watch.look({
      stored: new Map([['digest', { ...stored, ...worker }]]),
      readAt,
      live: [instance],
      isSettlingIn: true,
    })
  }
  const noteRun = (outcome: RunRecord['outcome'], failures: number) =>
    watch.noteRun({ worker: 'digest', outcome } as RunRecord, failures)
  /** Adds the worker here. */
  const add = () => void entries.set('digest', {} as ManagedWorker)
  return { watch, look, noteRun, add, told }
}

describe('WorkerWatch', () => {
  it('takes nothing back that a run has shown since the worker was read', () => {
    const { look, noteRun, add, told } = createWatch()
    add()
    const [lost, lostThrice] = [
      { recentOutcomes: ['lost'] },
      { recentOutcomes: ['lost'], consecutiveFailures: 3 },
    ] as const
    const readAt = performance.now()
    look(readAt, lost)
    expect(told.splice(0)).toEqual(['+lost'])
    noteRun('succeeded', 0)
    expect(told.splice(0)).toEqual(['-lost'])
    look(readAt, lostThrice)
    expect(told).toEqual([])

    noteRun('lost', 3)
    expect(told.splice(0).sort()).toEqual(['+failing', '+lost'])
    look(readAt, { recentOutcomes: ['succeeded'] })
    expect(told).toEqual([])
    // What is read afterwards counts again.
    look(performance.now() + 1, { recentOutcomes: ['lost', 'succeeded'] })
    expect(told.sort()).toEqual(['-failing', '-lost'])
  })

  it('tells nothing of the runs of a worker that was removed', () => {
    const { noteRun, told } = createWatch()
    noteRun('lost', 3)
    expect(told).toEqual([])
  })

  it('forgets with a worker that was removed what its runs have shown', () => {
    const { look, noteRun, add, told } = createWatch()
    const readAt = performance.now()
    add()
    noteRun('succeeded', 0)
    // Added anew, it has its own.
    add()
    look(readAt, { recentOutcomes: ['lost'] })
    expect(told.splice(0)).toEqual(['+lost'])
  })

  it('forgets that a run came where its worker was not added when that is removed', () => {
    const { watch, look, told } = createWatch()
    watch.noteHandBack('digest', 'digest.1')
    look(performance.now(), {})
    expect(told.splice(0)).toEqual(['+no-handler'])
    look(performance.now(), { removedAt: 1 })
    expect(told.splice(0)).toEqual(['-no-handler'])
    // Added again elsewhere, where its runs go.
    look(performance.now(), {})
    expect(told).toEqual([])
  })
})
