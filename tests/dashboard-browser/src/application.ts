import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { IBackgroundWorkerManager } from '@background-workers/abstractions'
import { type Operator, createDashboard } from '@background-workers/dashboard'
import { type Gate, createMany, createWorkers } from './workers.ts'

/** A manager that has not started, and is stopped by whoever has asked for it. */
export type CreateManager = () => Promise<IBackgroundWorkerManager>

/** What an application is made of. */
export interface ApplicationOptions {
  /** How many workers it has besides the usual ones. @default 0 */
  readonly many?: number
  /** What the dashboard is given in place of the manager. @default the manager */
  readonly shown?: (manager: IBackgroundWorkerManager) => IBackgroundWorkerManager
  /** Who is logged in, or what is answered in place of a page; asked for each request. @default 'ada', who may do everything */
  readonly operator?: () => Operator | Response | false
}

/** A manager that runs its workers, and its dashboard on a port of this machine. */
export interface Application extends AsyncDisposable {
  readonly manager: IBackgroundWorkerManager
  readonly gate: Gate
  /** Where the dashboard's root is: `http://127.0.0.1:1234/admin/jobs/`. */
  readonly address: string
}

/** A root that is not the server's, where a link that leads too far up would do no harm. */
const BASE_PATH = '/admin/jobs'
/** What a browser asks for, soon after, when a page names no icon: a refusal would be a fault of the visit, or of the next. */
const ICON_PATH = '/favicon.ico'

/** Starts an application of the usual workers, and its dashboard. */
export async function openApplication(
  createManager: CreateManager,
  { many = 0, shown = (manager) => manager, operator = () => ({ by: 'ada' }) }: ApplicationOptions = {},
): Promise<Application> {
  await using stack = new AsyncDisposableStack()
  const manager = stack.use(await createManager())
  const { workers, gate } = createWorkers()
  for (const worker of [...workers, ...createMany(many)]) await manager.add(worker)
  await manager.start()

  const dashboard = stack.use(
    createDashboard({ manager: shown(manager), authorize: operator, basePath: BASE_PATH, title: 'Shop workers' }),
  )
  const server = createServer((request, response) =>
    request.url === ICON_PATH ? response.writeHead(204).end() : dashboard.nodeHandler(request, response),
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  const { port } = server.address() as AddressInfo
  const held = stack.move()
  return {
    manager,
    gate,
    address: `http://127.0.0.1:${port}${BASE_PATH}/`,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
