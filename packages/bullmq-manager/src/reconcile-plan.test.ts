import { cron, every } from '@background-workers/abstractions'
import { fillPolicy } from '@background-workers/abstractions/for-managers'
import { describe, expect, it } from 'vitest'
import type { Instance } from './instances.ts'
import { type ReconcileFacts, isNothing, planReconcile } from './reconcile-plan.ts'
import { type TickScheduler, fingerprintOf } from './schedulers.ts'
import type { StoredWorker } from './stored-worker.ts'

const NOW = Date.UTC(2026, 0, 1)
const hourly = every('1h', { offset: 0 })
const daily = cron('0 3 * * *')
const policy = fillPolicy({})

function instance(instanceId: string, release: number, startedAt = NOW - 60_000, lastSeenAt = NOW): Instance {
  return { instanceId, release, startedAt, lastSeenAt, queues: ['default'], namesVersion: 0, skewMs: 0 }
}

function stored(name: string, more: Partial<StoredWorker> = {}): StoredWorker {
  const definition = {
    schedule: hourly,
    policy,
    release: 1,
    declaredAt: NOW - 60_000,
    instanceId: 'me',
    since: 0,
    order: 0,
  }
  return { name, definition, recentOutcomes: [], consecutiveFailures: 0, decidedUpTo: NOW - 1, ...more }
}

function tick(id: string, schedule = hourly, more: Partial<TickScheduler> = {}): TickScheduler {
  return {
    id,
    nextAt: NOW + 3_600_000,
    fingerprint: fingerprintOf(id, schedule),
    hasPendingJob: true,
    isBare: false,
    ...more,
  }
}

function facts(more: Partial<ReconcileFacts> = {}): ReconcileFacts {
  return {
    now: NOW,
    instanceId: 'me',
    release: 1,
    orphanGraceMs: 86_400_000,
    workers: [{ definition: { kind: 'periodic', name: 'digest', schedule: hourly, policy }, declaredAt: NOW - 60_000 }],
    stored: new Map([['digest', stored('digest')]]),
    ticks: new Map([['digest', tick('digest')]]),
    instances: [instance('me', 1)],
    live: [instance('me', 1)],
    releaseInForce: 1,
    declared: new Set(['digest']),
    missingSince: new Map(),
    mayBeAhead: true,
    ...more,
  }
}

const plan = (more: Partial<ReconcileFacts> = {}) => planReconcile(facts(more)).plan

describe('planReconcile', () => {
  it('writes nothing when nothing has changed', () => {
    expect(isNothing(plan())).toBe(true)
  })

  it('declares a new worker, whose slots count from now', () => {
    const { declarations, writes, restored } = plan({ stored: new Map(), ticks: new Map() })
    expect(declarations).toMatchObject([
      { name: 'digest', decidedUpTo: NOW, definition: { release: 1, instanceId: 'me' } },
    ])
    expect(writes).toEqual([{ name: 'digest', schedule: hourly, isNew: true }])
    expect(restored).toEqual([])
  })

  it('starts a changed schedule from now, and drops an override of the former one', () => {
    const override = { schedule: every('5m'), since: new Date(NOW) }
    const before = stored('digest', { override })
    const { declarations, writes } = plan({
      workers: [{ definition: { kind: 'periodic', name: 'digest', schedule: daily, policy }, declaredAt: NOW }],
      stored: new Map([['digest', before]]),
      ticks: new Map([['digest', tick('digest', override.schedule)]]),
    })
    expect(declarations).toMatchObject([{ decidedUpTo: NOW, dropsOverride: true }])
    expect(writes).toEqual([{ name: 'digest', schedule: daily, isNew: false }])
  })

  it('writes a changed policy and leaves slots, override and scheduler alone', () => {
    const changed = fillPolicy({ timeoutMs: 5_000 })
    const { declarations, writes } = plan({
      workers: [
        { definition: { kind: 'periodic', name: 'digest', schedule: hourly, policy: changed }, declaredAt: NOW },
      ],
    })
    expect(declarations).toMatchObject([{ decidedUpTo: undefined, dropsOverride: false }])
    expect(writes).toEqual([])
  })

  it('declares nothing while a higher release is in force', () => {
    const more = { releaseInForce: 2, live: [instance('me', 1), instance('new', 2)] }
    expect(plan({ ...more, workers: facts().workers, stored: new Map() }).declarations).toEqual([])
  })

  it('lets the later of two live instances of one release win, and takes over from a dead one', () => {
    const workers = [
      { definition: { kind: 'periodic', name: 'digest', schedule: daily, policy } as const, declaredAt: NOW - 60_000 },
    ]
    const owned = stored('digest')
    const definition = { ...owned.definition, instanceId: 'later', declaredAt: NOW } as NonNullable<
      StoredWorker['definition']
    >
    const more = { workers, stored: new Map([['digest', { ...owned, definition }]]) }
    expect(plan({ ...more, live: [instance('me', 1), instance('later', 1)] }).declarations).toEqual([])
    expect(plan({ ...more, live: [instance('me', 1)] }).declarations).toHaveLength(1)
  })

  it('lets one and the same of two instances win that have started in one millisecond', () => {
    const { definition: before } = stored('digest')
    const writesOver = (instanceId: string, other: string) => {
      const definition = { ...before, instanceId: other } as NonNullable<StoredWorker['definition']>
      const { declarations } = plan({
        instanceId,
        workers: [
          { definition: { kind: 'periodic', name: 'digest', schedule: daily, policy }, declaredAt: NOW - 60_000 },
        ],
        stored: new Map([['digest', { ...stored('digest'), definition }]]),
        live: [instance('one', 1), instance('two', 1)],
      })
      return declarations.length === 1
    }
    expect([writesOver('one', 'two'), writesOver('two', 'one')]).toEqual([false, true])
    // What it has declared itself in that millisecond, it may change.
    expect(writesOver('one', 'one')).toBe(true)
  })

  it('orphans a worker that nobody has declared for 30 s, and deletes it when its grace is over', () => {
    const more = { workers: [], declared: new Set<string>() }
    const first = planReconcile(facts(more))
    expect([first.plan.orphans, [...first.missingSince]]).toEqual([[], [['digest', NOW]]])
    expect(plan({ ...more, missingSince: new Map([['digest', NOW - 29_999]]) }).orphans).toEqual([])
    const late = plan({ ...more, missingSince: new Map([['digest', NOW - 30_000]]) })
    expect([late.orphans, late.removals]).toEqual([['digest'], ['digest']])
    const orphan = (orphanedAt: number) => new Map([['digest', stored('digest', { orphanedAt })]])
    expect(plan({ ...more, stored: orphan(NOW - 86_400_000) }).expired).toEqual([])
    expect(plan({ ...more, stored: orphan(NOW - 86_400_001) }).expired).toEqual(['digest'])
  })

  it('revives an orphan that is declared again from now, with its override', () => {
    const override = { schedule: every('5m'), since: new Date(NOW) }
    const orphan = stored('digest', { orphanedAt: NOW - 60_000, override })
    const { declarations, writes, restored } = plan({ stored: new Map([['digest', orphan]]), ticks: new Map() })
    expect(declarations).toMatchObject([{ decidedUpTo: NOW, dropsOverride: false }])
    expect([writes, restored]).toEqual([[{ name: 'digest', schedule: override.schedule, isNew: true }], []])
  })

  it('leaves a worker removed until it is added after its tombstone', () => {
    const removed = (removedAt: number): StoredWorker => ({
      name: 'digest',
      removedAt,
      recentOutcomes: [],
      consecutiveFailures: 0,
    })
    const since = (removedAt: number) => plan({ stored: new Map([['digest', removed(removedAt)]]), ticks: new Map() })
    expect(since(NOW - 59_999)).toMatchObject({ declarations: [], writes: [] })
    // Removed and added again within one millisecond.
    expect(since(NOW - 60_000).declarations).toMatchObject([{ name: 'digest', decidedUpTo: NOW }])
  })

  it('goes by what came later also when the clock was set back in between', () => {
    const after = (declaredAt: number, removedAt: number) => {
      const workers = facts().workers.map((worker) => ({ ...worker, declaredAt }))
      const removed = { name: 'digest', removedAt, recentOutcomes: [], consecutiveFailures: 0 }
      return plan({ workers, stored: new Map([['digest', removed]]), ticks: new Map() }).declarations.length
    }
    const ahead = NOW + 3_600_000
    // Declared, set back, removed; removed, set back, declared; both before it was set back.
    expect([after(ahead, NOW), after(NOW, ahead), after(ahead, ahead + 1), after(ahead, ahead - 1)]).toEqual([
      0, 1, 0, 1,
    ])
    // The clock of the instance that removes it is a little ahead.
    expect(after(NOW, NOW + 9_000)).toBe(0)
  })

  it('restores a scheduler that is gone or has no pending job', () => {
    expect(plan({ ticks: new Map() })).toMatchObject({ restored: ['digest'], writes: [{ isNew: true }] })
    const broken = tick('digest', hourly, { hasPendingJob: false })
    expect(plan({ ticks: new Map([['digest', broken]]) })).toMatchObject({
      restored: ['digest'],
      writes: [{ isNew: false }],
    })
  })

  it('repairs what is more than one slot ahead of the clock, and only then', () => {
    const ahead = (nextAt: number, decidedUpTo = NOW) =>
      plan({
        stored: new Map([['digest', stored('digest', { decidedUpTo })]]),
        ticks: new Map([['digest', tick('digest', hourly, { nextAt })]]),
      })
    expect(isNothing(ahead(NOW + 7_200_000, NOW + 7_200_000))).toBe(true)
    expect(ahead(NOW + 10_800_000)).toMatchObject({ markRepairs: ['digest'], writes: [{ name: 'digest' }] })
    expect(ahead(NOW + 3_600_000, NOW + 10_800_000)).toMatchObject({ markRepairs: ['digest'], writes: [] })
  })

  it('leaves schedulers alone that are not ours', () => {
    const foreign = tick('digest', hourly, { fingerprint: undefined })
    const other = tick('somebody-elses', hourly, { fingerprint: undefined })
    const findings = planReconcile(
      facts({
        ticks: new Map([
          ['digest', foreign],
          ['somebody-elses', other],
        ]),
      }),
    )
    expect([findings.foreign, findings.plan.writes, findings.plan.removals]).toEqual([['digest'], [], []])
  })

  it('writes a scheduler anew that has lost everything but its id', () => {
    const bare = tick('digest', hourly, { fingerprint: undefined, hasPendingJob: false, isBare: true })
    expect(plan({ ticks: new Map([['digest', bare]]) })).toMatchObject({
      restored: ['digest'],
      writes: [{ isNew: false }],
    })
  })

  it('removes ours that nobody wants, and instances that are long dead', () => {
    const dead = instance('dead', 1, 0, NOW - 300_001)
    const more = {
      ticks: new Map([
        ['digest', tick('digest')],
        ['old', tick('old')],
      ]),
      instances: [instance('me', 1), dead],
    }
    expect(plan(more)).toMatchObject({ removals: ['old'], deadInstances: ['dead'] })
  })

  it('does not remove an instance that is waited for after an outage', () => {
    const awaited = instance('awaited', 1, 0, NOW - 300_001)
    const instances = [instance('me', 1), awaited]
    expect(plan({ instances, live: instances }).deadInstances).toEqual([])
  })
})
