import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { HealthReason, HealthReport, ManagerState } from '@background-workers/abstractions'
import { healthStatus } from '@background-workers/abstractions/for-managers'
import { afterEach, describe, expect, it } from 'vitest'
import { type HealthHandlerOptions, type HealthSource, createHealthHandler } from './health-handler.ts'

let server: Server | undefined

afterEach(async () => {
  const open = server
  server = undefined
  if (open) await new Promise((resolve) => open.close(resolve).closeAllConnections())
})

async function serve(source: HealthSource, options?: HealthHandlerOptions) {
  const open = createServer(createHealthHandler(source, options))
  server = open
  await new Promise<void>((resolve) => open.listen(0, '127.0.0.1', resolve))
  const { port } = open.address() as AddressInfo
  return (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init)
}

function source(state: ManagerState, ...reasons: HealthReason[]): HealthSource {
  return { state, health: async () => ({ status: healthStatus(reasons), reasons }) }
}

const storeLost: HealthReason = { code: 'store-lost', message: 'Redis is away.' }
const failing: HealthReason = { worker: 'a', code: 'failing', message: 'Worker "a" failed 3 times in a row.' }
const stuck: HealthReason = { worker: 'a', code: 'stuck', message: 'Worker "a" is stuck.' }
const overdue: HealthReason = { worker: 'a', code: 'overdue', message: 'Worker "a" was due.' }
const noProgress: HealthReason = { code: 'no-progress', message: 'The loop of the manager does not come round.' }
const lagging: HealthReason = { code: 'event-loop-lag', message: 'The event loop stood still for 12000 ms.' }

describe('createHealthHandler', () => {
  it('is live and ready while the manager runs and is well', async () => {
    const get = await serve(source('running'))
    const ready = await get('/ready')
    expect(ready.status).toBe(200)
    expect(ready.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(ready.headers.get('cache-control')).toBe('no-store')
    expect(await ready.json()).toEqual({ status: 'ok', state: 'running', reasons: [] })
    expect((await get('/live?verbose')).status).toBe(200)
  })

  it.each(['idle', 'starting', 'stopping', 'stopped'] as const)('is live and not ready while %s', async (state) => {
    const get = await serve(source(state))
    expect((await get('/ready')).status).toBe(503)
    expect((await get('/live')).status).toBe(200)
  })

  it.each([
    ['degraded', failing, 200, 200],
    ['without its store', storeLost, 503, 200],
    ['stuck', stuck, 503, 503],
    ['without progress', noProgress, 503, 503],
    // Maybe no other instance takes its slots: a restart of this one is no cure.
    ['overdue', overdue, 503, 200],
    ['lagging', lagging, 200, 200],
  ])('tells apart whether it is ready and whether it is live when %s', async (_what, reason, ready, live) => {
    const get = await serve(source('running', reason))
    expect((await get('/ready')).status).toBe(ready)
    const answer = await get('/live')
    expect(answer.status).toBe(live)
    expect(await answer.json()).toMatchObject({ reasons: [reason] })
  })

  it('keeps what health throws to itself, and does not ask for a restart', async () => {
    const get = await serve({
      state: 'running',
      health: () => Promise.reject(new Error('redis://user:secret@host')),
    })
    const ready = await get('/ready')
    expect(ready.status).toBe(503)
    expect(await ready.text()).toBe('{"status":"unknown","state":"running","reasons":[]}')
    expect((await get('/live')).status).toBe(200)
  })

  it('takes a throw, and a health that does not answer, as unknown', async () => {
    const silent = new Promise<HealthReport>(() => {})
    let isSilent = true
    const get = await serve({
      state: 'running',
      health() {
        if (isSilent) return silent
        throw new Error('sync')
      },
    })
    expect((await get('/live')).status).toBe(200)
    expect((await get('/ready')).status).toBe(503)
    isSilent = false
    expect((await get('/live')).status).toBe(200)
  })

  it('tells nothing of a reason but worker, code and message', async () => {
    const get = await serve(source('running', { ...failing, stack: 'at secret.ts:1' } as HealthReason))
    expect(await (await get('/ready')).text()).not.toContain('secret')
  })

  it('answers 404 elsewhere and 405 to other methods', async () => {
    const get = await serve(source('running'))
    for (const path of ['/', '/live/', '/livex', '/health/live', '//live']) expect((await get(path)).status).toBe(404)
    expect((await get('/', { method: 'POST' })).status).toBe(404)
    const refused = await get('/live', { method: 'POST' })
    expect(refused.status).toBe(405)
    expect(refused.headers.get('allow')).toBe('GET, HEAD')
  })

  it('answers HEAD without a body', async () => {
    const get = await serve(source('idle'))
    const head = await get('/ready', { method: 'HEAD' })
    expect(head.status).toBe(503)
    expect(await head.text()).toBe('')
  })

  it('serves below a path prefix', async () => {
    const get = await serve(source('running'), { pathPrefix: '/health' })
    expect((await get('/health/ready')).status).toBe(200)
    expect((await get('/ready')).status).toBe(404)
  })

  it('refuses options that can not be kept', () => {
    expect(() => createHealthHandler(source('idle'), { pathPrefix: 'health/' })).toThrow(/"pathPrefix" must be a path/)
    expect(() => createHealthHandler(source('idle'), { prefix: '/x' } as HealthHandlerOptions)).toThrow(/"prefix"/)
    expect(() => createHealthHandler(undefined as unknown as HealthSource)).toThrow(/health\(\)/)
  })
})
