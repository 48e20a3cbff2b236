import { setTimeout as sleep } from 'node:timers/promises'
import { buildApp } from './app.ts'

const isInTerminal = process.stdout.isTTY
const app = await buildApp({ server: { logger: { level: isInTerminal ? 'info' : 'warn' } } })
const address = await app.listen({ port: Number(process.env.PORT ?? 0) })

await call('PUT', '/sessions/ada?expiresAt=2999-01-01')
await call('PUT', '/sessions/alan?expiresAt=2000-01-01')
await call('GET', '/sessions')
await call('POST', '/workers/expired-session-cleaner/runs')
while ((await app.backgroundWorkers.runs('expired-session-cleaner'))[0]?.outcome === undefined) await sleep(10)
await call('GET', '/sessions')
await call('POST', '/workers/no-such-worker/runs')
await call('GET', '/health')

if (isInTerminal) {
  const { promise: toldToStop, resolve } = Promise.withResolvers<void>()
  process.on('SIGINT', resolve).on('SIGTERM', resolve)
  console.log(`\nTry GET ${address}/workers. Press Ctrl+C to stop.\n`)
  await toldToStop
}
// Answers the requests under way, then lets the runs under way finish. Nothing keeps the process alive after it.
await app.close()
console.log(`closed, and the manager is ${app.backgroundWorkers.state}`)

async function call(method: string, path: string): Promise<void> {
  const response = await fetch(`${address}${path}`, { method })
  console.log(`${method.padEnd(5)}${path.padEnd(40)}${response.status} ${await response.text()}`)
}
