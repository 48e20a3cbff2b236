import type { IBackgroundWorkerManager } from '@background-workers/abstractions'
import type { Application } from '@background-workers/hosting'
import type { LogFolder } from './log-folder.ts'
import type { UserRepository } from './user-repository.ts'

/** What the workers have done, as the database, the folder and the manager's records tell it. */
export async function summarize({ container, backgroundWorkerManager }: Application): Promise<string> {
  const users = container.resolve<UserRepository>('userRepository')
  const logs = container.resolve<LogFolder>('logFolder')
  // What came in after a worker's last run.
  const waiting = [...(await users.inactiveNames()), ...(await logs.oldFiles())]
  const rows = {
    'passive users': await users.namesOf('passive'),
    'active users': without(waiting, await users.namesOf('active')),
    'log files kept': without(waiting, await logs.files()),
    'for a next run': waiting,
    ...(await describeRuns(backgroundWorkerManager)),
  }
  const lines = Object.entries(rows).map(([title, names]) => `  ${title.padEnd(26)}${names.join(', ') || 'nothing'}`)
  return ['', 'What the workers have done:', ...lines].join('\n')
}

async function describeRuns(manager: IBackgroundWorkerManager): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = {}
  for (const { name } of await manager.list()) {
    const runs = await manager.runs(name)
    const count = (outcome: string) => runs.filter((run) => run.outcome === outcome).length
    rows[name] = [`runs: ${count('succeeded')} succeeded`, `${count('failed')} failed`]
  }
  return rows
}

function without(left: readonly string[], names: readonly string[]): string[] {
  return names.filter((name) => !left.includes(name))
}
