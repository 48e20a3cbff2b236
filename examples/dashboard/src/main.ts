import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createDashboard } from '@background-workers/dashboard'
import { serve } from '@hono/node-server'
import { NoRedisError } from 'example-bullmq/example-redis'
import { InterruptedError, watchForInterruption } from 'example-bullmq/interruption'
import { createHonoApp } from './hono.ts'
import { startBullMqManager, startDefaultManager } from './managers.ts'
import { Sessions } from './sessions.ts'

/** The longest that a timer takes: 24 days. */
const FOREVER_MS = 2 ** 31 - 1

const interruption = watchForInterruption()
try {
  const { values } = parseArgs({
    options: { manager: { type: 'string', default: 'default' }, seconds: { type: 'string' } },
  })
  if (values.manager !== 'default' && values.manager !== 'bullmq') {
    throw new TypeError(`--manager must be default or bullmq, got ${values.manager}.`)
  }
  await using running = await (values.manager === 'bullmq' ? startBullMqManager() : startDefaultManager())
  const { manager, description } = running

  const sessions = new Sessions()
  using dashboard = createDashboard({
    manager,
    authorize: sessions.authorize,
    basePath: '/dashboard',
    title: 'Shop workers',
    onAudit: ({ by = 'nobody', action, worker = '', outcome, reason = '' }) =>
      console.log(`${outcome}: ${action} ${worker} by ${by} ${reason}`.trimEnd()),
  })

  const app = createHonoApp(dashboard)
  app.get('/login/:key', (c) => {
    const cookie = sessions.cookieFor(c.req.param('key'))
    if (!cookie) return c.text('No such link.', 404)
    return c.body(null, 302, { location: '../dashboard/', 'set-cookie': cookie })
  })

  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 0) })
  await once(server, 'listening')
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const link = (by: string, readOnly: boolean) => `${address}/login/${sessions.open({ by, readOnly })}`
  console.log(`The dashboard of ${(await manager.list()).length} workers on ${description}:\n`)
  console.log(`  ${link('ada', false)}   as ada, who may do everything`)
  console.log(`  ${link('tim', true)}   as tim, who may only look\n`)
  console.log('Press Ctrl+C to stop.')

  const lifetimeMs = values.seconds ? Number(values.seconds) * 1_000 : FOREVER_MS
  // It rejects when it is interrupted.
  await sleep(lifetimeMs, undefined, { signal: interruption }).catch(() => {})
  dashboard.close()
  server.close()
  await once(server, 'close')
} catch (error) {
  const isExpected = error instanceof NoRedisError || error instanceof InterruptedError || error instanceof TypeError
  console.error(isExpected ? error.message : error)
  process.exitCode = 1
}
