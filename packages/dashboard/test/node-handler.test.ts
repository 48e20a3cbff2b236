import { once } from 'node:events'
import { Agent, type IncomingMessage, type RequestListener, createServer, request as httpRequest } from 'node:http'
import {
  type Http2ServerRequest,
  type Http2ServerResponse,
  connect,
  createServer as createHttp2Server,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { type DashboardOptions, createDashboard, incomingMessageOf } from '../src/index.ts'
import { createNodeHandler } from '../src/node-handler.ts'
import { StubManager, workerStatus } from './fixtures/stub-manager.ts'
import { Visitor } from './fixtures/visitor.ts'

const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

describe('nodeHandler', () => {
  it('serves pages, cookies and actions on a plain server', async () => {
    const { manager, dashboard } = setUp()
    const address = await listen(dashboard.nodeHandler)
    const visitor = visit(address)
    expect(await visitor.page('/workers')).toContain('data-worker="mailer"')
    const token = await visitor.token('mailer', 'pause')
    const response = await visitor.post('/workers/mailer/pause', { token, note: 'ä & ö' }, { origin: address })
    expect(response.status).toBe(303)
    expect(manager.changes).toEqual([['pause', 'mailer', { note: 'ä & ö', by: 'ada' }]])
  })

  it('answers a head without a body', async () => {
    const { dashboard } = setUp()
    const response = await fetch(`${await listen(dashboard.nodeHandler)}/workers`, { method: 'HEAD' })
    expect([response.status, await response.text()]).toEqual([200, ''])
  })

  it('counts paths from where a framework has mounted it', async () => {
    const { dashboard } = setUp()
    const address = await listen(mountedAt('/admin', dashboard.nodeHandler))
    expect(await (await fetch(`${address}/admin/workers`)).text()).toContain('data-worker="mailer"')
    const bare = await fetch(`${address}/admin`, { redirect: 'manual' })
    expect([bare.status, bare.headers.get('location')]).toEqual([302, './admin/'])
  })

  it('counts them from the base path where there is one', async () => {
    const { dashboard } = setUp({ basePath: '/admin' })
    const address = await listen(mountedAt('/admin', dashboard.nodeHandler))
    expect(await (await fetch(`${address}/admin/workers`)).text()).toContain('data-worker="mailer"')
    expect((await fetch(`${address}/admin`)).url).toBe(`${address}/admin/`)
  })

  it('takes the form from a body parser that was there first', async () => {
    const { manager, dashboard } = setUp()
    const address = await listen((incoming, outgoing) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        const form = new URLSearchParams(Buffer.concat(chunks).toString())
        Object.assign(incoming, { body: Object.fromEntries(form) })
        dashboard.nodeHandler(incoming, outgoing)
      })
    })
    const visitor = visit(address)
    const token = await visitor.token('mailer', 'pause')
    const response = await visitor.post('/workers/mailer/pause', { token, note: 'parsed' }, { origin: address })
    expect(response.status).toBe(303)
    expect(manager.changes).toEqual([['pause', 'mailer', { note: 'parsed', by: 'ada' }]])
  })

  it('shows authorize the request of Node', async () => {
    const { dashboard } = setUp({
      authorize: (request) => ({ by: (incomingMessageOf(request) as IncomingMessage & { user: string }).user }),
    })
    const address = await listen((incoming, outgoing) => {
      Object.assign(incoming, { user: 'grace' })
      dashboard.nodeHandler(incoming, outgoing)
    })
    expect(await (await fetch(address)).text()).toContain('title="grace"')
  })

  it('ends a live page when its client goes, and leaves nothing', async () => {
    const { manager, dashboard } = setUp()
    const idle = manager.listenerCount
    const address = await listen(dashboard.nodeHandler)
    const gone = new AbortController()
    const response = await fetch(`${address}/events`, { signal: gone.signal })
    const reader = response.body!.getReader()
    await reader.read()
    expect(manager.listenerCount).toBeGreaterThan(idle)
    gone.abort()
    await expect.poll(() => manager.listenerCount).toBe(idle)
  })

  it('ends live pages when the dashboard closes', async () => {
    const { dashboard } = setUp()
    const response = await fetch(`${await listen(dashboard.nodeHandler)}/events`)
    const reader = response.body!.getReader()
    await reader.read()
    dashboard.close()
    expect(await reader.read()).toMatchObject({ done: true })
  })

  it('lets a server end that is closed together with the dashboard, while a page is live', async () => {
    const { dashboard } = setUp()
    const server = createServer({ keepAliveTimeout: 0 }, dashboard.nodeHandler).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const agent = new Agent({ keepAlive: true })
    closers.push(async () => agent.destroy())
    const { port } = server.address() as AddressInfo
    const incoming = await new Promise<IncomingMessage>((resolve) =>
      httpRequest({ agent, host: '127.0.0.1', port, path: '/events' }, resolve).end(),
    )
    incoming.resume()
    dashboard.close()
    server.close()
    await once(server, 'close')
  })

  it('keeps no connection alive once the dashboard is closed', async () => {
    const { dashboard } = setUp()
    const address = await listen(dashboard.nodeHandler)
    dashboard.close()
    const response = await fetch(address)
    expect([response.status, response.headers.get('connection')]).toEqual([503, 'close'])
  })

  it('waits for a client that is slow', async () => {
    let pulled = 0
    const handler = createNodeHandler({
      usesFullPath: false,
      fetch: async () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              pulled++
              if (pulled > 1_000) controller.close()
              else controller.enqueue(new Uint8Array(100_000))
            },
          }),
        ),
    })
    const address = await listen(handler)
    const incoming = await new Promise<IncomingMessage>((resolve) => httpRequest(address, resolve).end())
    incoming.pause()
    // Until what lies between the two is full.
    let before = -1
    while (pulled !== before) {
      before = pulled
      await sleep(200)
    }
    expect(pulled).toBeLessThan(900)
    let size = 0
    for await (const chunk of incoming) size += (chunk as Buffer).length
    expect(size).toBe(100_000_000)
  })

  it('hands an error to next, or answers 500', async () => {
    const failing = createNodeHandler({
      usesFullPath: false,
      fetch: async () => {
        throw new Error('no')
      },
    })
    expect((await fetch(await listen(failing))).status).toBe(500)
    const withNext = await listen((incoming, outgoing) =>
      failing(incoming, outgoing, (error) => outgoing.writeHead(418).end(String(error))),
    )
    expect(await (await fetch(withNext)).text()).toBe('Error: no')
  })

  it.each([
    ['/workers/mailer/../payroll', '127.0.0.1'],
    ['/workers/mailer/%2E%2e/payroll', '127.0.0.1'],
    ['/workers/mailer/..\\payroll', '127.0.0.1'],
    ['/workers/mailer', '127.0.0.1/workers/payroll?'],
    ['/workers/mailer', '127.0.0.1/workers/payroll#'],
  ])('answers no other path than the server has seen: %s, for the host %s', async (path, host) => {
    const { manager, dashboard } = setUp()
    manager.workers.push(workerStatus('payroll'))
    const address = await listen((incoming, outgoing) => {
      // What a framework or a proxy in front may let through.
      if (incoming.url?.startsWith('/workers/mailer')) dashboard.nodeHandler(incoming, outgoing)
      else outgoing.writeHead(403).end()
    })
    const { port } = new URL(address)
    const incoming = await new Promise<IncomingMessage>((resolve) =>
      httpRequest({ host: '127.0.0.1', port, path, headers: { host } }, resolve).end(),
    )
    incoming.resume()
    expect(incoming.statusCode).toBe(400)
    expect((await fetch(`${address}/workers/payroll`)).status).toBe(403)
    expect((await fetch(`${address}/workers/mailer?done=pause`)).status).toBe(200)
  })

  it.each(['GET', 'HEAD', 'POST'])('refuses %s over HTTP/2 in words, and logs once that it does', async (method) => {
    const logger = new RecordingLogger()
    const { manager, dashboard } = setUp({ logger })
    const handler = dashboard.nodeHandler as unknown as (i: Http2ServerRequest, o: Http2ServerResponse) => void
    const server = createHttp2Server(handler).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    closers.push(async () => {
      client.close()
      server.close()
      await once(server, 'close')
    })
    const message = 'nodeHandler of the dashboard speaks HTTP/1 only. Serve it over HTTP/1, or mount fetch.'
    for (const path of ['/workers', '/']) {
      const stream = client.request({ ':method': method, ':path': path })
      stream.end()
      const [headers] = await once(stream, 'response')
      expect([headers[':status'], await text(stream)]).toEqual([505, method === 'HEAD' ? '' : message])
    }
    expect(logger.lines).toMatchObject([{ level: 'error', message, data: { httpVersion: '2.0' } }])
    expect(manager.lists).toBe(0)
  })

  it('takes slashes at the start of a path neither for a host nor for one slash', async () => {
    const { dashboard } = setUp()
    expect((await fetch(`${await listen(dashboard.nodeHandler)}//workers/mailer`)).status).toBe(404)
  })

  it.each(['http://[', '/\\..\\workers', '//evil.test/workers'])('survives the target %s', async (path) => {
    const { dashboard } = setUp()
    const address = await listen(dashboard.nodeHandler)
    const { port } = new URL(address)
    const incoming = await new Promise<IncomingMessage>((resolve) =>
      httpRequest({ host: '127.0.0.1', port, path }, resolve).end(),
    )
    incoming.resume()
    expect([200, 400, 404]).toContain(incoming.statusCode)
    expect((await fetch(`${address}/workers`)).status).toBe(200)
  })
})

function setUp(options: Partial<DashboardOptions> = {}) {
  const manager = new StubManager([workerStatus('mailer')])
  const dashboard = createDashboard({ manager, authorize: () => ({ by: 'ada' }), ...options })
  closers.unshift(async () => dashboard.close())
  return { manager, dashboard }
}

/** As Express does it. */
function mountedAt(path: string, handler: RequestListener): RequestListener {
  return (incoming, outgoing) => {
    const originalUrl = incoming.url ?? '/'
    const rest = originalUrl.slice(path.length)
    Object.assign(incoming, { originalUrl, url: rest.startsWith('/') ? rest : `/${rest}` })
    handler(incoming, outgoing)
  }
}

async function listen(handler: RequestListener): Promise<string> {
  const server = createServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function visit(address: string): Visitor {
  return new Visitor({
    async fetch(request) {
      const { pathname, search } = new URL(request.url)
      const body = request.method === 'POST' ? await request.text() : null
      return fetch(`${address}${pathname}${search}`, {
        method: request.method,
        headers: request.headers,
        body,
        redirect: 'manual',
      })
    },
  })
}
