import { every, periodicWorker } from '@background-workers/abstractions'
import { ManualClock, RecordingLogger, waitForRun } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { type FastifyInstance, fastify } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { TestProcess } from 'test-process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildApp } from '../src/app.ts'
import { backgroundWorkers } from '../src/background-workers.ts'

const MAIN = new URL('../src/main.ts', import.meta.url)
const CLEANER = 'expired-session-cleaner'

let clock: ManualClock
let logger: RecordingLogger
let app: FastifyInstance

beforeEach(async () => {
  clock = new ManualClock(Date.parse('2026-03-01T12:00:00Z'))
  logger = new RecordingLogger()
  app = await buildApp({ workers: { clock, logger } })
})

afterEach(() => app.close())

describe('the plugin', () => {
  it('starts the manager when the server is ready, and stops it when the server closes', async () => {
    expect(app.backgroundWorkers.state).toBe('idle')
    await app.ready()
    expect(app.backgroundWorkers.state).toBe('running')
    await app.close()
    expect(app.backgroundWorkers.state).toBe('stopped')
    expect(clock.timerCount).toBe(0)
  })

  it('gives a start less time than Fastify gives the hook, so that the error of the manager is seen', async () => {
    const server = fastify()
    let startTimeoutMs: number | undefined
    await server.register(backgroundWorkers, {
      createManager: (options) => {
        startTimeoutMs = options.startTimeoutMs
        return new DefaultBackgroundWorkerManager(options)
      },
    })
    expect(startTimeoutMs).toBeLessThan(server.initialConfig.pluginTimeout as number)
    await server.close()
  })

  it('lets a run under way finish, logs the report, and then closes what was registered before it', async () => {
    const order: string[] = []
    const workEnds = Promise.withResolvers<void>()
    const stream = {
      write(line: string) {
        const { msg, finished } = JSON.parse(line)
        if (finished !== undefined) order.push(`${msg}, ${finished} finished`)
      },
    }
    const server = fastify({ logger: { stream } })
    await server.register(
      fastifyPlugin(async (database) => {
        database.addHook('onClose', async () => void order.push('the database is closed'))
      }),
    )
    await server.register(backgroundWorkers, {
      createManager: (options) => new DefaultBackgroundWorkerManager(options),
    })
    await server.backgroundWorkers.add(
      periodicWorker({ name: 'long-work', schedule: every('1h'), doWork: () => workEnds.promise }),
    )
    await server.ready()
    await server.backgroundWorkers.trigger('long-work')
    const closing = server.close()
    await expect.poll(() => server.backgroundWorkers.state).toBe('stopping')
    workEnds.resolve()
    await closing
    expect(order).toEqual(['background workers stopped, 1 finished', 'the database is closed'])
  })
})

describe('the worker of the sessions', () => {
  it('closes what has expired, every ten minutes', async () => {
    await app.inject({ method: 'PUT', url: '/sessions/ada?expiresAt=2026-03-02' })
    await app.inject({ method: 'PUT', url: '/sessions/alan?expiresAt=2026-03-01' })
    await clock.advance(600_000)
    expect((await waitForRun(app.backgroundWorkers, CLEANER)).outcome).toBe('succeeded')
    expect((await app.inject('/sessions')).json()).toEqual(['ada'])
    expect(logger.linesOf('expired sessions closed')[0]?.data).toMatchObject({ worker: CLEANER, closed: ['alan'] })
  })
})

describe('the routes', () => {
  it('trigger a run and show its record', async () => {
    const response = await app.inject({ method: 'POST', url: `/workers/${CLEANER}/runs` })
    expect(response.statusCode).toBe(202)
    const { runId } = response.json()
    await waitForRun(app.backgroundWorkers, CLEANER, { runId })
    expect((await app.inject(`/workers/${CLEANER}/runs`)).json()).toMatchObject([
      { runId, kind: 'manual', by: 'the API', outcome: 'succeeded' },
    ])
  })

  it('list the workers', async () => {
    expect((await app.inject('/workers')).json()).toMatchObject([
      { name: CLEANER, state: 'idle', schedule: { declared: { kind: 'every', periodMs: 600_000 } } },
    ])
  })

  it('answer 404 for a worker that is not known', async () => {
    const response = await app.inject({ method: 'POST', url: '/workers/no-such-worker/runs' })
    expect(response.statusCode).toBe(404)
    expect(response.json()).toMatchObject({ code: 'unknown-worker' })
  })

  it('answer 409 while a run is active', async () => {
    const workEnds = Promise.withResolvers<void>()
    await app.backgroundWorkers.add(
      periodicWorker({ name: 'long-work', schedule: every('1h'), doWork: () => workEnds.promise }),
    )
    const trigger = () => app.inject({ method: 'POST', url: '/workers/long-work/runs' })
    expect((await trigger()).statusCode).toBe(202)
    expect((await trigger()).statusCode).toBe(409)
    workEnds.resolve()
  })

  it('answer 200 while the workers are well, and 503 when they have stopped', async () => {
    const healthy = await app.inject('/health')
    expect(healthy.statusCode).toBe(200)
    expect(healthy.json()).toEqual({ status: 'ok', reasons: [] })
    await app.backgroundWorkers.stop()
    const unhealthy = await app.inject('/health')
    expect(unhealthy.statusCode).toBe(503)
    expect(unhealthy.json()).toMatchObject({ reasons: [{ code: 'not-running' }] })
  })
})

it('runs as a process that ends by itself', async () => {
  await using server = new TestProcess(MAIN)
  expect(await server.exit).toEqual({ code: 0, signal: null })
  expect(server.stderr).toBe('')
  const { lines } = server
  expect(lines.map((line) => /^\w+ +\S+ +(\d{3})/.exec(line)?.[1])).toEqual([
    ...['204', '204', '200', '202', '200', '404', '200'],
    undefined,
  ])
  expect(lines[2]).toMatch(/\["ada","alan"\]$/)
  expect(lines[4]).toMatch(/\["ada"\]$/)
  expect(lines.at(-1)).toBe('closed, and the manager is stopped')
})

it('closes gracefully at Ctrl+C', async () => {
  await using server = new TestProcess(MAIN, { isInTerminal: true })
  await server.line(/Press Ctrl\+C to stop\./)
  server.signal('SIGINT')
  expect(await server.exit).toEqual({ code: 0, signal: null })
  expect(server.lines).toContain('closed, and the manager is stopped')
})
