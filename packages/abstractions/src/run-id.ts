// Run ids have one shape on every manager: the worker's name, a dot, and a rest without dots. Users never parse them.

/** The id of the run for a slot: the same on every instance. */
export function slotRunId(worker: string, slot: { readonly dueAt: number }): string {
  return `${worker}.${slot.dueAt}`
}

/** A new id for a run that was triggered. */
export function manualRunId(worker: string): string {
  return `${worker}.m-${crypto.randomUUID()}`
}

/** The id of a run of `runOnStart`; `mark` says for which start. */
export function startRunId(worker: string, mark: string): string {
  return `${worker}.start-${mark}`
}

/** Whether the run is for a slot. */
export function isSlotRunId(runId: string): boolean {
  return /\.\d+$/.test(runId)
}

/** The name of the worker; empty for what is no run id. */
export function workerOfRunId(runId: string): string {
  return runId.slice(0, Math.max(0, runId.lastIndexOf('.')))
}
