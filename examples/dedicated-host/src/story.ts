import { fileURLToPath } from 'node:url'
import type { RunRecord, WorkerStatus } from '@background-workers/abstractions'
import { LoggingProcess } from './logging-process.ts'
import type { Signup } from './signup-repository.ts'
import { WebClient } from './web-client.ts'

const HOST = fileURLToPath(new URL('host.ts', import.meta.url))
const WEB = fileURLToPath(new URL('web.ts', import.meta.url))
const MAILER = '/workers/welcome-mailer'

/** A JSON answer has dates as texts. */
type Answer<T> = { readonly [Key in keyof T]: T[Key] extends Date | undefined ? string | undefined : T[Key] }
type Trigger = string | { readonly code: string }

/** Starts the web process and the dedicated one, lets them work together, and stops both. Gives what happened. */
export async function tell(environment: Record<string, string>, interruption: AbortSignal): Promise<string[]> {
  await using host = new LoggingProcess(HOST, environment, interruption)
  await using web = new LoggingProcess(WEB, environment, interruption)
  const { port: healthPort } = await host.logged('health endpoint opened')
  const { port: webPort } = await web.logged('web server opened')
  await Promise.all([host.logged('application started'), web.logged('application started')])
  const client = new WebClient(webPort as number, interruption)

  const { status } = await fetch(`http://127.0.0.1:${healthPort}/ready`)
  const lines = [`health        the dedicated process answers ${status} to /ready`]

  await client.send('POST', '/signups/Ada')
  lines.push(`sign-up       ${describeSignup(await welcomed(client, 'Ada'), host, web)}`)
  lines.push(`list          ${await describeList(client)}`)

  // While it is paused only a trigger makes it run, wherever that is.
  await client.send('PUT', `${MAILER}/pause`)
  await client.until('/workers', ([mailer]: Answer<WorkerStatus>[]) => (mailer?.state === 'paused' ? true : undefined))
  await client.send('POST', '/signups/Alan')
  lines.push(`trigger       ${await describeTrigger(client)}`)
  await client.send('DELETE', `${MAILER}/pause`)
  lines.push(`sign-up       ${describeSignup(await welcomed(client, 'Alan'), host, web)}`)

  lines.push(`exit codes    web ${await web.stop()}, dedicated ${await host.stop()}`)
  return lines
}

function welcomed(client: WebClient, name: string): Promise<Signup> {
  return client.until('/signups', (signups: Signup[]) =>
    signups.find((signup) => signup.name === name && signup.welcomedBy !== null),
  )
}

function describeSignup({ name, welcomedBy }: Signup, host: LoggingProcess, web: LoggingProcess): string {
  const processes = new Map([
    [host.pid, 'the dedicated process'],
    [web.pid, 'the web process'],
  ])
  return `${name} at the web process, welcomed by ${processes.get(welcomedBy ?? undefined)}`
}

/** What the web process knows of the worker that the other one runs. */
async function describeList(client: WebClient): Promise<string> {
  const [mailer] = await client.get<Answer<WorkerStatus>[]>('/workers')
  const runs = await client.get<RunRecord[]>(`${MAILER}/runs`)
  const nextSlot = mailer?.nextDueAt === undefined ? 'no next slot' : 'a next slot'
  return `the web process sees ${mailer?.name} with ${nextSlot} and ${runs.length > 0 ? 'its runs' : 'no runs'}`
}

async function describeTrigger(client: WebClient): Promise<string> {
  const runId = await client.send<Trigger>('POST', `${MAILER}/runs`)
  if (typeof runId !== 'string') return `refused at the web process: ${runId.code}`
  const { kind, outcome, by } = await client.until(`${MAILER}/runs`, (runs: RunRecord[]) =>
    runs.find((run) => run.runId === runId && run.outcome !== undefined),
  )
  return `${kind} run by ${by}, ${outcome}, while the worker is paused`
}
