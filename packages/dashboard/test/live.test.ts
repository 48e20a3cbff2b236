import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type HealthReason, type HealthReport, type InstanceInfo, every } from '@background-workers/abstractions'
import { fillPolicy } from '@background-workers/abstractions/for-managers'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type DashboardOptions, createDashboard } from '../src/index.ts'
import { CHANGE, openLivePage } from './fixtures/live-page.ts'
import { StubManager, workerStatus } from './fixtures/stub-manager.ts'
import { Visitor } from './fixtures/visitor.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const INSTANCE: InstanceInfo = { instanceId: 'one', release: 7, queues: ['default'], lastSeenAt: new Date(0) }

describe('live updates', () => {
  afterEach(() => void vi.useRealTimers())

  it('come for an event of this instance', async () => {
    const { manager, open } = setUp({ pollIntervalMs: 3_600_000 })
    const page = await open()
    await page.opened()
    manager.emit('worker-paused', { worker: 'mailer' })
    expect(await page.read()).toBe(CHANGE)
    page.leave()
  })

  it('come for what another instance has changed', async () => {
    const { manager, open } = setUp({ pollIntervalMs: 100 })
    const page = await open()
    await page.opened()
    await untilLooked(manager)
    manager.workers = [workerStatus('mailer', { state: 'overdue' })]
    expect(await page.read()).toBe(CHANGE)
    page.leave()
  })

  it.each<[string, HealthReason]>([
    ['a worker', { worker: 'mailer', code: 'lost', message: 'It lost a run.' }],
    ['the whole', { code: 'no-progress', message: 'Its loop stands still.' }],
  ])('come for what a look finds wrong with %s, and when it can look no more', async (_, reason) => {
    const { manager, open } = setUp({ pollIntervalMs: 100 })
    const page = await open()
    await page.opened()
    await untilLooked(manager)
    manager.report = { status: 'degraded', reasons: [reason] }
    expect(await page.read()).toBe(CHANGE)
    manager.healthFailure = new Error('away')
    expect(await page.read()).toBe(CHANGE)
    page.leave()
  })

  it.each<[string, Partial<Pick<StubManager, 'workers' | 'report'>>]>([
    ['a schedule that is declared otherwise', { workers: [workerStatus('mailer', {}, every('20m'))] }],
    ['another policy', { workers: [workerStatus('mailer', { policy: fillPolicy({ jitterMs: 5 }) })] }],
    ['an instance that has joined', { report: reportOf(INSTANCE, { ...INSTANCE, instanceId: 'two' }) }],
    ['an instance that has died', { report: reportOf() }],
    ['an instance of another release', { report: reportOf({ ...INSTANCE, release: 8 }) }],
    ['other queues of an instance', { report: reportOf({ ...INSTANCE, queues: ['default', 'gpu'] }) }],
  ])('come for %s', async (_, seen) => {
    const { manager, told } = await lookAt(new Date('2026-01-01T00:00:00Z'))
    Object.assign(manager, seen)
    await vi.advanceTimersByTimeAsync(5_000)
    expect(told).toEqual([CHANGE])
  })

  it('come not for each heartbeat of an instance', async () => {
    const { manager, told } = await lookAt(new Date('2026-01-01T00:00:00Z'))
    manager.report = reportOf({ ...INSTANCE, lastSeenAt: new Date(10_000) })
    await vi.advanceTimersByTimeAsync(5_000)
    expect(told).toEqual([])
  })

  it('come once a minute, for what changes because time passes', async () => {
    const { told } = await lookAt(new Date('2026-01-01T00:00:55Z'))
    await vi.advanceTimersByTimeAsync(2_000)
    expect(told).toEqual([])
    await vi.advanceTimersByTimeAsync(6_000)
    expect(told).toEqual([CHANGE])
  })

  it('come when something is found wrong, and when it is cleared', async () => {
    const { manager, open } = setUp({ pollIntervalMs: 3_600_000 })
    const page = await open()
    await page.opened()
    manager.emit('health-reason-added', { worker: 'mailer', code: 'never-ran', message: 'It has never run.' })
    expect(await page.read()).toBe(CHANGE)
    manager.emit('health-reason-cleared', { worker: 'mailer', code: 'never-ran' })
    expect(await page.read()).toBe(CHANGE)
    page.leave()
  })

  it('come when the store is away, and when it is back', async () => {
    const { manager, open } = setUp({ pollIntervalMs: 100 })
    const page = await open()
    await page.opened()
    await untilLooked(manager)
    manager.failure = new Error('away')
    expect(await page.read()).toBe(CHANGE)
    manager.failure = undefined
    expect(await page.read()).toBe(CHANGE)
    page.leave()
  })

  it('are one for many events', async () => {
    const { manager, open } = setUp({ pollIntervalMs: 3_600_000 })
    const page = await open()
    await page.opened()
    for (let count = 0; count < 1_000; count++) manager.emit('worker-added', { worker: `w${count}` })
    expect(await page.read()).toBe(CHANGE)
    manager.emit('worker-removed', { worker: 'w1' })
    expect(await page.read()).toBe(CHANGE)
    page.leave()
    // Nothing else was waiting when it left.
    expect(await page.read()).toBeUndefined()
  })

  it('look at the list once for all pages, and not at all while there is none', async () => {
    vi.useFakeTimers()
    const { manager, dashboard, open } = setUp({ pollIntervalMs: 1_000 })
    const idle = manager.listenerCount
    const pages = [await open(), await open(), await open()]
    for (const page of pages) await page.opened()
    expect(manager.lists).toBe(0)
    await vi.advanceTimersByTimeAsync(2_500)
    expect(manager.lists).toBe(3)
    for (const page of pages) page.leave()
    expect([manager.listenerCount, vi.getTimerCount()]).toEqual([idle, 0])
    await vi.advanceTimersByTimeAsync(10_000)
    expect(manager.lists).toBe(3)
    dashboard.close()
    expect(manager.listenerCount).toBe(0)
  })

  it('do not pile up for a page that reads none', async () => {
    const { manager, open } = setUp({ pollIntervalMs: 3_600_000 })
    const slow = await open()
    const fast = await open()
    await fast.opened()
    for (let count = 0; count < 3; count++) {
      manager.emit('worker-paused', { worker: 'mailer' })
      expect(await fast.read()).toBe(CHANGE)
    }
    fast.leave()
    slow.leave()
    // What was waiting when it left: the opening, and one change for all three.
    await slow.opened()
    expect(await slow.read()).toBe(CHANGE)
    expect(await slow.read()).toBeUndefined()
  })

  it('are refused above the limit, until a page has left', async () => {
    const { visitor, open } = setUp({ maxStreams: 1 })
    const page = await open()
    const refused = await visitor.fetch('/events')
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10'])
    page.leave()
    const next = await open()
    next.leave()
  })

  it('end with the dashboard', async () => {
    const { dashboard, open, manager } = setUp()
    const page = await open()
    await page.opened()
    dashboard.close()
    expect(await page.read()).toBeUndefined()
    expect(manager.listenerCount).toBe(0)
  })

  it('end with their request, also when nobody else holds that any more', async () => {
    const { manager, open } = setUp({ pollIntervalMs: 3_600_000 })
    const idle = manager.listenerCount
    const page = await open()
    await page.opened()
    // What was touched in a turn is kept to its end.
    await sleep(0)
    collectGarbage()
    page.leave()
    expect(await page.read()).toBeUndefined()
    expect(manager.listenerCount).toBe(idle)
  })

  it('are neither kept back nor compressed on their way', async () => {
    const { visitor, dashboard } = setUp()
    const { headers } = await visitor.fetch('/events')
    expect(headers.get('cache-control')).toBe('no-store, no-transform')
    expect(headers.get('x-accel-buffering')).toBe('no')
    dashboard.close()
  })

  it('are not opened for who only asks for the head', async () => {
    const { visitor, manager } = setUp()
    const idle = manager.listenerCount
    expect((await visitor.fetch('/events', { method: 'HEAD' })).status).toBe(200)
    expect(manager.listenerCount).toBe(idle)
  })
})

function setUp(options: Partial<DashboardOptions> = {}) {
  const manager = new StubManager([workerStatus('mailer')])
  const dashboard = createDashboard({ manager, authorize: () => ({ by: 'ada' }), ...options })
  const visitor = new Visitor(dashboard)
  return { manager, dashboard, visitor, open: () => openLivePage(visitor) }
}

/** Keeps what a page is told that is opened at that time, by a clock of the test's own; the first look has been. */
async function lookAt(now: Date) {
  vi.useFakeTimers({ now })
  const { manager, dashboard, open } = setUp({ pollIntervalMs: 1_000 })
  onTestFinished(() => dashboard.close())
  manager.report = reportOf(INSTANCE)
  const page = await open()
  await page.opened()
  const told: string[] = []
  const listen = async () => {
    for (let text = await page.read(); text !== undefined; text = await page.read()) told.push(text)
  }
  void listen()
  await vi.advanceTimersByTimeAsync(500)
  return { manager, told }
}

function reportOf(...instances: InstanceInfo[]): HealthReport {
  return { status: 'ok', reasons: [], instances }
}

/** Waits until the list has been read and looked at: a change is one against that. */
async function untilLooked(manager: StubManager): Promise<void> {
  await expect.poll(() => manager.lists).toBeGreaterThanOrEqual(1)
  await sleep(0)
}
