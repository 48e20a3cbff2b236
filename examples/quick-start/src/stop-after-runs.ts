import type { Application } from '@background-workers/hosting'

/** Stops the application as soon as each of its workers has run so often, well or not. */
export function stopAfterRuns(application: Application, count: number): void {
  const manager = application.backgroundWorkerManager
  const hasRunEnough = async (worker: string) => {
    const runs = await manager.runs(worker)
    return runs.filter(({ outcome }) => outcome === 'succeeded' || outcome === 'failed').length >= count
  }

  manager.on('run-finished', async () => {
    const workers = await manager.list()
    const haveRunEnough = await Promise.all(workers.map(({ name }) => hasRunEnough(name)))
    if (!haveRunEnough.includes(false)) await application.stop()
  })
}
