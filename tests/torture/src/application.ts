// The tortured application in a process of its own. Told what to do by its argument and by messages of its parent; notes
// everything it does in its journal, outside the system under test.
import { setTimeout as sleep } from 'node:timers/promises'
import {
  BackgroundWorkerError,
  type IBackgroundWorkerManager,
  type PeriodicBackgroundWorkerContext,
  periodicWorker,
} from '@background-workers/abstractions'
import { setClockOffset } from 'test-process/clock-offset'
import { Journal } from './journal.ts'
import { type ManagerName, createManager } from './managers.ts'
import { WORKERS, type TortureWorker, declaredBy, workMsOf } from './workers.ts'

/** What a process is started with. */
export interface ApplicationSettings {
  readonly manager: ManagerName
  readonly applicationName: string
  readonly redisUrl: string
  readonly release: number
  /** Where its journal is, its number in there, and true wall time minus monotonic time. */
  readonly folder: string
  readonly process: number
  readonly anchorMs: number
}

/** What its parent may ask of it. Each is answered by a line `done <id>` when it is done. */
export type ApplicationRequest = { readonly id: number } & (
  | { readonly what: 'stop' }
  | { readonly what: 'block'; readonly forMs: number }
  | { readonly what: 'clock'; readonly offsetMs: number }
  /** The next run of this worker kills the process, unless it is called off: `worker: undefined`. */
  | { readonly what: 'crash-next'; readonly worker: string | undefined }
  /** The next run of `marathon` takes so long and says `marathon` when it begins, unless it is called off: 0. */
  | { readonly what: 'long-next'; readonly forMs: number }
  /** Only for a manager without a store of pauses. */
  | { readonly what: 'pause' | 'resume' | 'trigger'; readonly worker: string }
)

const settings = JSON.parse(process.argv[2] as string) as ApplicationSettings
const journal = new Journal(settings.folder, settings.process, settings.anchorMs)
const endStalls = journal.watchStalls()
const next = { crashing: undefined as string | undefined, marathonMs: 0 }
let isStopping = false

process.on('uncaughtException', (error) => journal.write({ event: 'problem', text: `uncaught: ${textOf(error)}` }))
process.on('unhandledRejection', (error) => journal.write({ event: 'problem', text: `unhandled: ${textOf(error)}` }))
process.on('disconnect', () => {
  // Else the parent is gone.
  if (!isStopping) process.exit(1)
})

const { manager, dispose } = createManager(settings, {
  debug() {},
  info() {},
  warn: (data, message) => note('warn', data, message),
  error: (data, message) => note('error', data, message),
})
for (const said of ['run-started', 'run-finished', 'run-skipped'] as const) {
  manager.on(said, (record) => journal.write({ event: 'decision', said, record }))
}
manager.on('schedules-repaired', ({ message }) => journal.write({ event: 'repaired', message }))
for (const worker of WORKERS) {
  const schedule = declaredBy(settings.release, worker)
  if (!schedule) continue
  const { name, policy } = worker
  await manager.add(periodicWorker({ name, schedule, policy, doWork: (context) => doWork(worker, context) }))
}
process.on('message', (request: ApplicationRequest) => {
  obey(request, manager).then(
    () => process.stdout.write(`done ${request.id}\n`),
    (error: unknown) => {
      journal.write({ event: 'log', level: 'error', text: `${request.what}: ${textOf(error)}` })
      process.stdout.write(`done ${request.id}\n`)
    },
  )
})
await start(manager)

async function start(starting: IBackgroundWorkerManager): Promise<void> {
  journal.write({ event: 'starting' })
  while (!isStopping) {
    try {
      await starting.start()
      journal.write({ event: 'started' })
      process.stdout.write('started\n')
      return
    } catch (error) {
      // As a supervisor would: Redis is away.
      journal.write({ event: 'log', level: 'error', text: `start: ${textOf(error)}` })
      await sleep(200)
    }
  }
}

async function obey(request: ApplicationRequest, obeying: IBackgroundWorkerManager): Promise<void> {
  switch (request.what) {
    case 'stop':
      isStopping = true
      journal.write({ event: 'stopping' })
      await obeying.stop()
      await dispose()
      journal.write({ event: 'stopped' })
      // Nothing may be left that keeps the process alive.
      endStalls()
      process.disconnect()
      return
    case 'block':
      journal.write({ event: 'blocked', forMs: request.forMs })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, request.forMs)
      return
    case 'clock':
      setClockOffset(request.offsetMs)
      journal.write({ event: 'clock', offsetMs: request.offsetMs })
      return
    case 'crash-next':
      next.crashing = request.worker
      return
    case 'long-next':
      next.marathonMs = request.forMs
      return
    case 'pause':
      return obeying.pause(request.worker)
    case 'resume':
      return obeying.resume(request.worker)
    case 'trigger':
      await obeying.trigger(request.worker)
      return
    default:
      request satisfies never
  }
}

async function doWork(worker: TortureWorker, context: PeriodicBackgroundWorkerContext): Promise<void> {
  const { runId, kind, attempt, scheduledFor, signal } = context
  journal.write({ event: 'begin', worker: worker.name, runId, slot: scheduledFor.getTime(), kind, attempt })
  const noteAbort = () => {
    const { reason } = signal as { reason: unknown }
    journal.write({ event: 'abort', runId, reason: reason instanceof BackgroundWorkerError ? reason.code : 'other' })
  }
  signal.addEventListener('abort', noteAbort, { once: true })
  try {
    await behave(worker, context)
  } finally {
    journal.write({ event: 'end', runId, attempt })
  }
}

async function behave({ name, behaviour }: TortureWorker, context: PeriodicBackgroundWorkerContext): Promise<void> {
  const { runId, signal, attempt } = context
  const workMs = workMsOf(behaviour, runId)
  switch (behaviour) {
    case 'quick':
    case 'slow':
      await sleep(workMs, undefined, { signal })
      return
    case 'stuck':
      await sleep(workMs)
      return
    case 'throwing':
      await sleep(workMs, undefined, { signal })
      throw new Error('this worker always fails')
    case 'retrying':
      await sleep(workMs, undefined, { signal })
      if (attempt < 3) throw new Error('this worker fails twice')
      return
    case 'deadly':
      await sleep(workMs / 2, undefined, { signal })
      if (next.crashing === name) process.kill(process.pid, 'SIGKILL')
      await sleep(workMs / 2, undefined, { signal })
      return
    case 'marathon': {
      const longMs = next.marathonMs
      next.marathonMs = 0
      if (longMs > 0) process.stdout.write('marathon\n')
      await sleep(longMs > 0 ? longMs : workMs, undefined, { signal })
      return
    }
    default:
      behaviour satisfies never
  }
}

function note(level: 'warn' | 'error', data: object, message?: string): void {
  const { err, worker, runId } = data as { err?: unknown; worker?: string; runId?: string }
  // Each of these is an event too.
  if (message === 'slot skipped' || message === 'run failed' || message?.startsWith('attempt failed')) return
  journal.write({
    event: 'log',
    level,
    text: [message, worker, runId, err === undefined ? '' : textOf(err)].filter(Boolean).join(' '),
  })
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
