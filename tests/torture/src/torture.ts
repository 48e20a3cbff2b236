import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from './cluster.ts'
import { carryOut } from './faults.ts'
import { type History, readHistory } from './history.ts'
import { followJournals, readJournals } from './journal.ts'
import type { ManagerName } from './managers.ts'
import { type Verdict, judge } from './oracle.ts'
import { type Summary, printViolations, summarize } from './report.ts'
import { QUIET_MS, type Script } from './script.ts'
import { WORKERS, declaredBy } from './workers.ts'

/** What a run is made of. */
export interface TortureOptions {
  readonly script: Script
  readonly manager: ManagerName
  /** Options of Node for each process. */
  readonly nodeArgs?: readonly string[]
  /** Ends the run early, with everything that it has started. */
  readonly signal?: AbortSignal
}

/** What came of a run. */
export interface TortureResult {
  readonly summary: Summary
  readonly verdict: Verdict
  readonly history: History
  /** What went wrong, in words; empty when nothing did. */
  readonly complaint: string
  /** Where the journals are. */
  readonly folder: string
}

/** Starts a cluster, breaks it as the script says, and judges what it did. `forget` removes the journals of the run. */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { script, manager, nodeArgs = [], signal } = options
  const folder = await mkdtemp(join(tmpdir(), 'torture-'))
  const lifetimeMs = script.durationMs + 300_000
  const open = await Cluster.open({ manager, seats: script.seats, folder, lifetimeMs, nodeArgs })
  const { stored, toMs } = await runScript(open, script, signal).catch(async (error: unknown) => {
    if (signal?.aborted) await rm(folder, { recursive: true })
    throw error
  })
  await writeFile(join(folder, 'records.json'), JSON.stringify({ manager, script, toMs, stored }))
  const lines = readJournals(folder)
  const history = readHistory({ manager, lines, stored, toMs })
  const verdict = judge(history)
  const done = history.faults.map(({ fault }) => fault)
  return {
    summary: summarize(script, manager, done, verdict),
    verdict,
    history,
    complaint: verdict.violations.length === 0 ? '' : printViolations(script, verdict, lines),
    folder,
  }
}

/** Removes the journals. */
export async function forget({ folder }: TortureResult): Promise<void> {
  await rm(folder, { recursive: true })
}

async function runScript(open: Cluster, script: Script, ended: AbortSignal | undefined) {
  await using cluster = open
  const failed = new AbortController()
  const signal = AbortSignal.any([failed.signal, ...(ended ? [ended] : [])])
  const beganAt = performance.now()
  const until = (atMs: number) => sleep(Math.max(0, atMs - (performance.now() - beganAt)), undefined, { signal })
  const faults: Promise<void>[] = []
  try {
    for (const [index, fault] of script.faults.entries()) {
      await until(fault.atMs)
      faults.push(carryOut(fault, index, cluster).catch((error) => failed.abort(error)))
    }
    await Promise.race([Promise.all(faults), aborted(signal)])
    await until(Math.max(script.durationMs, performance.now() - beganAt + QUIET_MS))
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
  if (!cluster.redis.isRunning) {
    throw new Error(
      'The Redis of this run has ended, and no fault did that: something else on this machine has killed it.',
    )
  }
  const toMs = cluster.journal.now()
  await laterSlotsDecided(cluster, toMs)
  await cluster.stop()
  await cluster.collectRecords()
  return { stored: cluster.observer ? cluster.records : undefined, toMs }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error)
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

/** A slot is closed when a later one is decided. A worker that stays silent is for the oracle. */
async function laterSlotsDecided({ journal, release }: Cluster, toMs: number): Promise<void> {
  const waiting = new Set(WORKERS.filter((worker) => declaredBy(release, worker)).map(({ name }) => name))
  const newLines = followJournals(journal.folder)
  for (const endsAt = performance.now() + 20_000; waiting.size > 0 && performance.now() < endsAt; ) {
    await sleep(500)
    for (const line of newLines()) {
      const isLater = line.event === 'decision' && line.record.scheduledFor.getTime() > toMs
      if (isLater) waiting.delete(line.record.worker)
    }
  }
}
