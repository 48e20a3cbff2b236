import { type PeriodicWorkerPolicy, type Schedule, cron, every, nextDueAt } from '@background-workers/abstractions'
import { stableHash } from '@background-workers/abstractions/for-managers'

/** What the `doWork` of a worker does. */
export type Behaviour = 'quick' | 'slow' | 'stuck' | 'throwing' | 'retrying' | 'deadly' | 'marathon'

/** A worker that every process of the tortured application has. */
export interface TortureWorker {
  readonly name: string
  readonly behaviour: Behaviour
  readonly policy: PeriodicWorkerPolicy
  /** What releases of an even and of an odd number declare; `undefined`: they do not have the worker. */
  readonly declared: readonly [even: Schedule | undefined, odd: Schedule | undefined]
}

/** Slots are `k * periodMs + offsetMs`, those of the cron workers too. */
export interface Rhythm {
  readonly periodMs: number
  readonly offsetMs: number
}

/** All records of a run must still be there when it is over. */
const KEPT_RUNS = 10_000

/** How long a run of the worker `stuck` may take; it does not heed its signal. */
const STUCK_TIMEOUT_MS = 1_000

/** All of them, in the order in which a process adds them. */
export const WORKERS: readonly TortureWorker[] = [
  worker('quick-1s-a', 'quick', every('1s')),
  worker('quick-1s-b', 'quick', every('1s')),
  worker('quick-2s', 'quick', every('2s')),
  worker('quick-3s', 'quick', every('3s')),
  worker('cron-2s', 'quick', cron('*/2 * * * * *')),
  worker('cron-3s', 'quick', cron('*/3 * * * * *', { timeZone: 'Europe/Berlin' })),
  worker('slow', 'slow', every('2s')),
  worker('stuck', 'stuck', every('3s'), { timeoutMs: STUCK_TIMEOUT_MS }),
  worker('throwing', 'throwing', every('3s')),
  worker('retrying', 'retrying', every('3s'), { retry: { attempts: 3, backoffMs: 200 } }),
  worker('crashing', 'deadly', every('2s')),
  worker('recovering', 'deadly', every('2s'), { onCrash: 'recover' }),
  worker('jittered', 'quick', every('3s'), { jitterMs: 1_500 }),
  worker('paused', 'quick', every('2s')),
  worker('no-window', 'quick', every('2s'), { catchUpWindowMs: 0 }),
  worker('generous', 'quick', every('2s'), { catchUpWindowMs: 600_000 }),
  worker('marathon', 'marathon', every('3s')),
  { ...worker('changing', 'quick', every('2s')), declared: [every('2s'), every('3s')] },
  { ...worker('newcomer', 'quick', every('2s')), declared: [undefined, every('2s')] },
]

/** What a release declares of a worker. */
export function declaredBy(release: number, { declared }: TortureWorker): Schedule | undefined {
  return declared[release % 2 === 0 ? 0 : 1]
}

/** The slots of a schedule that come at even intervals, as all here do. */
export function rhythmOf(schedule: Schedule, name: string): Rhythm {
  const first = nextDueAt(schedule, 0, name) as number
  const periodMs = (nextDueAt(schedule, first, name) as number) - first
  return { periodMs, offsetMs: first % periodMs }
}

/** The slots in (`afterMs`, `untilMs`]. */
export function slotsBetween({ periodMs, offsetMs }: Rhythm, afterMs: number, untilMs: number): number[] {
  const slots: number[] = []
  let slot = (Math.floor((afterMs - offsetMs) / periodMs) + 1) * periodMs + offsetMs
  for (; slot <= untilMs; slot += periodMs) slots.push(slot)
  return slots
}

/** Whether it is one of the slots. */
export function isSlotOf({ periodMs, offsetMs }: Rhythm, slot: number): boolean {
  return (slot - offsetMs) % periodMs === 0
}

/** How long `doWork` takes, in ms; the same for a run wherever it runs. */
export function workMsOf(behaviour: Behaviour, runId: string): number {
  const chance = stableHash(runId) % 1_000
  switch (behaviour) {
    case 'quick':
    case 'retrying':
    case 'throwing':
      return 5 + (chance % 50)
    case 'slow':
      return 1_200 + 2 * chance
    // Most of them are over before the timeout; the others take longer than until the next slot.
    case 'stuck':
      return chance < 600 ? 300 : STUCK_TIMEOUT_MS + 500 + 3 * chance
    case 'deadly':
      return 500 + (chance % 500)
    case 'marathon':
      return 600
    default:
      return behaviour satisfies never
  }
}

function worker(
  name: string,
  behaviour: Behaviour,
  schedule: Schedule,
  policy: PeriodicWorkerPolicy = {},
): TortureWorker {
  return { name, behaviour, policy: { keepRuns: KEPT_RUNS, ...policy }, declared: [schedule, schedule] }
}
