import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { every, periodicWorker } from '@background-workers/abstractions'
import { createDashboard } from '@background-workers/dashboard'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { getRequestListener } from '@hono/node-server'
import { describe, expect, it } from 'vitest'
import { createExpressApp } from '../src/express.ts'
import { createFastifyApp } from '../src/fastify.ts'
import { createHonoApp } from '../src/hono.ts'

type Mount = (dashboard: ReturnType<typeof createDashboard>) => Promise<RequestListener>

const MOUNTS: readonly (readonly [string, { readonly basePath?: string }, Mount])[] = [
  ['Hono', { basePath: '/dashboard' }, async (dashboard) => getRequestListener(createHonoApp(dashboard).fetch)],
  ['Express', {}, async (dashboard) => createExpressApp(dashboard)],
  [
    'Fastify',
    { basePath: '/dashboard' },
    async (dashboard) => {
      const app = createFastifyApp(dashboard)
      await app.ready()
      return (incoming, outgoing) => app.routing(incoming, outgoing)
    },
  ],
]

describe.each(MOUNTS)('the dashboard in %s', (_, options, mount) => {
  it('serves the list, does an action, tells of the change, and leaves the other routes alone', async () => {
    await using manager = new DefaultBackgroundWorkerManager()
    await manager.add(periodicWorker({ name: 'sweep', schedule: every('1d'), async doWork() {} }))
    await manager.start()
    using dashboard = createDashboard({ manager, authorize: () => ({ by: 'ada' }), ...options })
    await using server = await listen(await mount(dashboard))
    const { address } = server

    expect(await (await fetch(address)).text()).toContain('The shop.')
    // The bare path leads to the root, so that relative links work.
    const overview = await fetch(`${address}/dashboard`)
    expect([overview.status, overview.url]).toEqual([200, `${address}/dashboard/`])
    expect(await (await fetch(`${address}/dashboard/workers`)).text()).toContain('data-worker="sweep"')

    const stream = (await fetch(`${address}/dashboard/events`)).body!.getReader()
    await stream.read()

    const formUrl = `${address}/dashboard/workers/sweep/confirm/pause`
    const form = await fetch(formUrl)
    const [cookie = ''] = form.headers.getSetCookie()[0]?.split(';') ?? []
    const page = await form.text()
    const [, token = ''] = /name="token" value="([^"]+)"/.exec(page) ?? []
    const [, action = ''] = /<form method="post" action="([^"]+)"/.exec(page) ?? []
    const send = (headers: Record<string, string>) =>
      fetch(new URL(action, formUrl), {
        method: 'POST',
        body: new URLSearchParams({ token, note: 'audit' }),
        headers: { cookie, ...headers },
        redirect: 'manual',
      })

    expect((await send({ origin: 'https://evil.example' })).status).toBe(403)
    expect((await manager.get('sweep'))?.paused).toBeUndefined()

    expect((await send({ origin: address })).status).toBe(303)
    expect((await manager.get('sweep'))?.paused).toMatchObject({ note: 'audit', by: 'ada' })
    expect(new TextDecoder().decode((await stream.read()).value)).toContain('event: change')
    await stream.cancel()
  })
})

async function listen(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
