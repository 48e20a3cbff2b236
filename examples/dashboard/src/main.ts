import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createDashboard } from '@background-workers/dashboard'
import { serve } from '@hono/node-server'
import { NoRedisError } from 'example-bullmq/example-redis'
import { InterruptedError, watchForInterruption } from 'example-bullmq/interruption'
import { ArgumentsError, readArguments } from './arguments.ts'
import { createHonoApp } from './hono.ts'
import { startBullMqManager, startDefaultManager } from './managers.ts'
import { Sessions } from './sessions.ts'

const interruption = watchForInterruption()
try {
  const given = readArguments()
  await using running = await (given.manager === 'bullmq' ? startBullMqManager() : startDefaultManager())
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

  // It rejects when it is interrupted.
  await sleep(given.lifetimeMs, undefined, { signal: interruption }).catch(() => {})
  dashboard.close()
  server.close()
  await once(server, 'close')
} catch (error) {
  const isExpected = [ArgumentsError, NoRedisError, InterruptedError].some((type) => error instanceof type)
  console.error(isExpected ? (error as Error).message : error)
  process.exitCode = 1
}
