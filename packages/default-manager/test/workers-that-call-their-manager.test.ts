import { once } from 'node:events'
import {
  type PeriodicBackgroundWorkerContext,
  type StopReport,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { beforeEach, describe, expect, it } from 'vitest'
import { DefaultBackgroundWorkerManager } from '../src/default-background-worker-manager.ts'
import { HostileStage, PERIOD_MS, failWhereErrorsEscape, hostile, schedule } from './fixtures/hostile-stage.ts'

failWhereErrorsEscape()

let stage: HostileStage
beforeEach(() => {
  stage = new HostileStage()
})

describe('a worker that calls its manager synchronously in doWork', () => {
  it.each<[string, (name: string) => Promise<unknown>, state: string | undefined, expectedRuns: number]>([
    ['pauses', (name) => stage.manager.pause(name), 'paused', 1],
    ['removes', (name) => stage.manager.remove(name), undefined, 1],
    ['reschedules', (name) => stage.manager.reschedule(name, every('1h', { offset: 0 })), 'idle', 1],
    ['triggers', (name) => stage.manager.trigger(name).catch(() => {}), 'idle', 2],
    ['resumes', (name) => stage.manager.resume(name), 'idle', 2],
  ])('%s itself, and the others go on', async (_what, call, state, expectedRuns) => {
    let runs = 0
    const made: Promise<unknown>[] = []
    await stage.startWith(
      hostile(() => {
        runs++
        made.push(call('hostile'))
        return made.at(-1)
      }),
    )
    await stage.clock.advance(2 * PERIOD_MS)
    await Promise.all(made)
    expect(stage.goodRuns).toBe(4)
    expect((await stage.manager.get('hostile'))?.state).toBe(state)
    expect(runs).toBe(expectedRuns)
    expect(await stage.stop()).toEqual({ finished: 0, abandoned: [] })
  })

  it.each(['remove', 'pause'] as const)('%ss others that are due in the same moment: they do not run', async (call) => {
    const ran: string[] = []
    const victims = ['victim-1', 'victim-2', 'victim-3', 'victim-4']
    const addVictim = (name: string) => stage.manager.add({ ...hostile(() => ran.push(name)), name })
    for (const name of victims.slice(0, 2)) await addVictim(name)
    const attack = () => {
      ran.push('hostile')
      return Promise.all(victims.map((name) => stage.manager[call](name)))
    }
    await stage.startWith(hostile(attack))
    for (const name of victims.slice(2)) await addVictim(name)
    await stage.clock.advance(2 * PERIOD_MS)
    // Whoever comes first in the first ring: from then on there is no victim.
    expect(ran.slice(ran.indexOf('hostile'))).toEqual(['hostile', 'hostile'])
    expect(ran.length).toBeLessThan(2 + victims.length)
    expect(stage.goodRuns).toBe(4)
    await stage.stop()
  })

  it('triggers another one that is due in the same moment: it runs once, and the slot is skipped', async () => {
    await stage.manager.add(hostile(() => stage.manager.trigger('victim').catch(() => {})))
    let victimRuns = 0
    const gate = Promise.withResolvers<void>()
    const work = () => {
      victimRuns++
      return gate.promise
    }
    await stage.manager.add({ ...hostile(work), name: 'victim' })
    await stage.manager.start()
    await stage.clock.advance(PERIOD_MS)
    expect(victimRuns).toBe(1)
    expect(await stage.manager.runs('victim')).toMatchObject([
      { outcome: 'skipped', reason: 'overlap' },
      { kind: 'manual' },
    ])
    gate.resolve()
    await stage.stop()
  })

  it('cancels the run of another one that is due in the same moment: that one is not called silent', async () => {
    const reasons: string[] = []
    stage.manager.on('health-reason-added', ({ code, worker }) => reasons.push(`${code} ${worker}`))
    let victimRunId = 'none yet'
    await stage.manager.add(hostile(() => stage.manager.cancel(victimRunId)))
    const work = ({ runId, signal }: PeriodicBackgroundWorkerContext) => {
      victimRunId = runId
      return once(signal, 'abort')
    }
    await stage.manager.add({ ...hostile(work), name: 'victim' })
    await stage.manager.start()
    await stage.clock.advance(2 * PERIOD_MS)
    expect((await stage.manager.runs('victim')).map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['skipped', 'overlap'],
      ['aborted', 'cancelled'],
    ])
    expect(reasons).toEqual([])
    await stage.stop()
  })

  it('stops the manager: it is not waited for, nothing else is started, and it can be started again', async () => {
    let report: StopReport | undefined
    let runs = 0
    await stage.startWith(
      hostile(async () => {
        if (runs++ === 0) report = await stage.manager.stop()
      }),
    )
    await stage.clock.advance(PERIOD_MS)
    // The good one that was due before it is waited for and counted, it is not.
    expect(report).toEqual({ finished: 1, abandoned: [] })
    expect(stage.manager.state).toBe('stopped')
    const before = stage.goodRuns
    await stage.clock.advance(5 * PERIOD_MS)
    expect([stage.goodRuns, runs]).toEqual([before, 1])
    await stage.manager.start()
    await stage.clock.advance(PERIOD_MS)
    expect(runs).toBe(2)
    await stage.stop()
  })

  it('stops the manager in the run of its start', async () => {
    let report: StopReport | undefined
    const worker = periodicWorker({
      name: 'stopper',
      schedule,
      policy: { runOnStart: true },
      doWork: async () => {
        report = await stage.manager.stop()
      },
    })
    await stage.startWith(worker)
    await stage.clock.advance(3 * PERIOD_MS)
    expect(report).toEqual({ finished: 0, abandoned: [] })
    expect([stage.manager.state, stage.goodRuns, stage.clock.timerCount]).toEqual(['stopped', 0, 0])
  })

  it('stops another manager: its own one still waits for it', async () => {
    const other = new DefaultBackgroundWorkerManager({ clock: stage.clock })
    await other.start()
    const gate = Promise.withResolvers<void>()
    await stage.startWith(
      hostile(async () => {
        await other.stop()
        await gate.promise
      }),
    )
    await stage.clock.advance(PERIOD_MS)
    expect(other.state).toBe('stopped')
    let report: StopReport | undefined
    void stage.manager.stop({ timeoutMs: 5_000 }).then((result) => {
      report = result
    })
    await stage.clock.advance(1_000)
    expect(report).toBeUndefined()
    gate.resolve()
    await stage.clock.settle()
    expect(report).toEqual({ finished: 1, abandoned: [] })
  })
})

describe('a worker that calls its manager in start or stop', () => {
  it('removes another in its start: that one is never started', async () => {
    let starts = 0
    await stage.manager.add({
      name: 'remover',
      start: async () => void (await stage.manager.remove('victim')),
      async stop() {},
    })
    await stage.manager.add({ name: 'victim', start: async () => void starts++, async stop() {} })
    await stage.manager.start()
    await stage.clock.settle()
    expect(starts).toBe(0)
    expect((await stage.manager.list()).map(({ name }) => name)).toEqual(['remover'])
    await stage.stop()
  })

  it('stops the manager in its start', async () => {
    await stage.startWith({ ...hostile(() => {}), start: async () => void (await stage.manager.stop()) })
    await stage.clock.advance(3 * PERIOD_MS)
    expect([stage.manager.state, stage.goodRuns, stage.clock.timerCount]).toEqual(['stopped', 0, 0])
  })

  it('starts the manager in its stop: it starts after the stop', async () => {
    let stops = 0
    const again: Promise<void>[] = []
    const stopHostile = async () => {
      if (stops++ === 0) again.push(stage.manager.start())
    }
    await stage.startWith({ ...hostile(() => {}), stop: stopHostile })
    await stage.manager.stop()
    await Promise.all(again)
    expect(stage.manager.state).toBe('running')
    await stage.clock.advance(2 * PERIOD_MS)
    expect(stage.goodRuns).toBe(4)
    await stage.stop()
  })
})
