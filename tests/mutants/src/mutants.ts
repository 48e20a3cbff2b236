/** A fault made by hand. Its suite must fail with it. */
export interface Mutant {
  readonly name: string
  /** The file it is in, from the root of the repository. */
  readonly file: string
  /** Each text is there exactly once and becomes the other. */
  readonly edits: readonly (readonly [text: string, becomes: string])[]
  /** The test files that ought to catch it, from the root of the repository. */
  readonly tests: readonly string[]
}

const abstractions = 'packages/abstractions/src'
const defaultManager = 'packages/default-manager'
const contract = `${defaultManager}/test/contract.test.ts`
const time = `${defaultManager}/test/time.test.ts`
const locks = `${defaultManager}/test/distributed-lock.test.ts`

function mutantsOf(file: string, tests: readonly string[], faults: Record<string, Mutant['edits']>): Mutant[] {
  return Object.entries(faults).map(([name, edits]) => ({ name, file, edits, tests }))
}

/** All faults. */
export const mutants: readonly Mutant[] = [
  ...mutantsOf(`${abstractions}/decide-slot.ts`, [`${abstractions}/decide-slot.test.ts`], {
    'the guard is off': [['if (state.activeRunId !== undefined)', "if (state.activeRunId === 'never')"]],
    'the window is off by one': [['now > latestStartAt', 'now >= latestStartAt']],
    'a slot is decided early': [['now < slot.dueAt)', 'now < slot.dueAt - 5)']],
    'missed slots make no catch-up': [['lateByMs > LATE_AFTER_MS || slot.missedSlots > 0', 'lateByMs > LATE_AFTER_MS']],
    'jitter is not capped': [['Math.min(policy.jitterMs, gapMs - 1)', 'policy.jitterMs']],
    'jitter counts as lateness': [['Math.max(0, now - startAt)', 'Math.max(0, now - slot.dueAt)']],
    'the default window is not capped': [['Math.min(gapMs / 2, 3_600_000)', 'gapMs / 2']],
    'a paused worker has slots': [["if (state.paused) return { kind: 'skip', reason: 'paused' }", '']],
    'misfire skip runs late slots': [["policy.misfire === 'skip'", "policy.misfire !== 'skip'"]],
  }),
  ...mutantsOf(
    `${abstractions}/due-slot.ts`,
    [`${abstractions}/due-slot.test.ts`, `${abstractions}/schedule.properties.test.ts`],
    {
      'an interval counts one missed slot too many': [
        ['Math.floor((now - firstDueAt)', 'Math.ceil((now - firstDueAt)'],
      ],
      'a cron slot that is due now is passed by': [
        ['next === undefined || next > now)', 'next === undefined || next >= now)'],
      ],
      'slots beyond 1,000 are not told': [['missedSlots: MAX_COUNTED_SLOTS }', 'missedSlots: 0 }']],
    },
  ),
  ...mutantsOf(
    `${abstractions}/cron.ts`,
    [`${abstractions}/daylight-saving.test.ts`, `${abstractions}/schedule.properties.test.ts`],
    {
      'times of a list are lost in the spring gap': [["fixedTimeRule: 'no-wildcard',", '']],
      'the zone is the one of the host': [['timezone: timeZone,', '']],
    },
  ),
  ...mutantsOf(
    `${abstractions}/retry-delay.ts`,
    [`${abstractions}/retry-delay.test.ts`, `${abstractions}/run-retry.test.ts`],
    {
      'one attempt too many': [['failedAttempt >= retry.attempts', 'failedAttempt > retry.attempts']],
      'a retry starts at the next slot': [['at >= nextDueAt ?', 'at > nextDueAt ?']],
      'a backoff has no limit': [
        ['Math.min(retry.backoffMs * factor, retry.maxBackoffMs)', 'retry.backoffMs * factor'],
      ],
    },
  ),
  ...mutantsOf(`${abstractions}/run-context.ts`, [`${abstractions}/run-context.test.ts`, contract], {
    'the scope is not disposed': [['await scope.dispose()', 'await scope']],
  }),
  ...mutantsOf(
    `${abstractions}/run.ts`,
    [`${abstractions}/run.test.ts`, `${abstractions}/run-retry.test.ts`, contract],
    {
      'a run settles before its scope is disposed': [['if (disposal) await disposal', 'void disposal']],
      'an abort does not reach the signal': [['    this.#controller?.abort(reason)\n', '']],
      'a retry starts past the next slot after a sleep': [
        ['if (isPast(this.plan.nextDueAtMs, clock.now()))', 'if (isPast(undefined, clock.now()))'],
      ],
      'a pause does not end retries': [['    this.#mayRetry = false\n', '']],
      'an outcome is fixed twice': [['    if (this.isFinished) return false\n', '']],
      'a timeout is an abort': [
        ["return { outcome: 'failed', reason: 'timeout' }", "return { outcome: 'aborted', reason: 'timeout' }"],
      ],
      'a run that has ended is called stuck': [['    this.#clearStuckTimer?.()\n', '']],
      'a record does not count the attempts': [['return this.#end ? this.#attempt :', 'return this.#end ? 1 :']],
    },
  ),
  ...mutantsOf(`${abstractions}/lifecycle.ts`, [`${abstractions}/lifecycle.test.ts`], {
    'two starts do not share their work': [["    if (this.#wanted === 'running') return this.#starting\n", '']],
    'a stop does not wait for the start': [['if (isStartPending) {', 'if (isStartPending && Number.isNaN(0)) {']],
    'a failed start can not be repeated': [
      ['      if (startNumber === this.#startCount) this.#wanted = undefined\n', ''],
    ],
    'a start does not wait for the stop': [['    if (before) await before.catch(() => {})\n', '']],
  }),
  ...mutantsOf(`${abstractions}/drain.ts`, [`${abstractions}/drain.test.ts`], {
    'a stop does not wait': [['    await waitFor(all, timeoutMs, clock)\n'.trimStart(), '']],
    'a stop does not abort at its deadline': [['item.abort()', 'void item']],
    'a stop gives no grace after the abort': [['await waitFor(all, ABORT_GRACE_MS, clock)', '']],
    'a worker is named beside its run': [['runId !== undefined || !withRun.has(worker)', 'true']],
  }),
  ...mutantsOf(`${defaultManager}/src/timetable.ts`, [`${defaultManager}/src/timetable.test.ts`], {
    'an early timer is not armed again': [
      ['      this.#isRinging = false\n      this.#arm()', '      this.#isRinging = false'],
    ],
    'a timer is not capped': [
      ['Math.min(Math.max(1, dueAtOf(first) - now), MAX_WAIT_MS)', 'Math.max(1, dueAtOf(first) - now)'],
    ],
    'a step back is not told': [['      if (isSetBack) this.#host.steppedBack()\n', '']],
    'a step back after a quiet time is not noticed': [['    this.#latestNow = Math.max(this.#latestNow, now)\n', '']],
    'small steps back do not add up': [['isSetBack ? now : Math.max(this.#latestNow, now)', 'now']],
    'alarms that are moved put off the repair': [['this.#isSetBack(now) ? 1 : Math', 'Math']],
    'an appointment that is moved keeps its place': [['    if (!isNew) this.#sink(item)\n', '']],
    'a new first appointment waits for the old alarm': [['dueAt < this.#alarmAt &&', 'dueAt < 0 &&']],
  }),
  ...mutantsOf(`${defaultManager}/src/active-work.ts`, [contract, time], {
    'the record is written after the run': [
      ['    entry.history.begin(run, entry.definition.policy.keepRuns)\n', ''],
      ['    run.start()\n', '    run.start()\n    entry.history.begin(run, entry.definition.policy.keepRuns)\n'],
    ],
    'the guard ends with the outcome': [
      [
        "if (active?.kind === 'run' && active.run === run) this.#records",
        "if (active?.kind === 'run' && active.run === run && this.#active.delete(active.entry.name)) this.#records",
      ],
    ],
    'a pause lets a jittered slot run': [
      [
        "active.record.kind === 'manual') return\n    this.#endWaiting(",
        "active.record.kind === 'manual') return\n    void (",
      ],
    ],
    'a stop leaves a jittered slot waiting': [['      else this.#endWaiting(', '      else void (']],
  }),
  ...mutantsOf(`${defaultManager}/src/active-work.ts`, [locks], {
    'a run does not give its lock back': [['      this.#parts.locks?.release(hold)\n', '']],
    'a lost lock aborts nothing': [['() => run.abort(leaseLost(run, hold))', '() => undefined']],
    'a pause ends a trigger that waits for its lock': [[" || active.record.kind === 'manual') return", ') return']],
  }),
  ...mutantsOf(`${defaultManager}/src/slot-runner.ts`, [contract, time], {
    'a trigger does not heed the guard': [
      ['if (activeRunId !== undefined) throw new WorkerBusyError', "if (activeRunId === '') throw new WorkerBusyError"],
    ],
    'a slot that waits blocks itself': [
      ['    if (activeRunId !== undefined && activeRunId === slotRunId(entry.name, slot)) return\n', ''],
    ],
    'a slot that waits is decided again': [['return isWaiting || (entry', 'return (entry']],
    'a set back clock hides missed slots': [["slot.missedSlots > 0 ? 'catch-up' : 'scheduled'", "'scheduled'"]],
  }),
  ...mutantsOf(`${defaultManager}/src/slot-runner.ts`, [locks], {
    'the claim that comes with a lock ignores the window': [
      ['startableForMs: latestStartAt - slot.dueAt', 'startableForMs: 0'],
    ],
    'a start that can not be locked waits for ever': [
      [
        '        untilMs: startWindow(entry.definition, slot).latestStartAt,\n',
        '        untilMs: Number.MAX_SAFE_INTEGER,\n',
      ],
    ],
  }),
  ...mutantsOf(`${defaultManager}/src/worker-locks.ts`, [locks], {
    'a lock that comes late is kept': [['      this.#host.release(answer)\n', '']],
    'a lock that is lost already is as good': [['(this.#isOver || answer.signal.aborted)', 'this.#isOver']],
    'a lock that fails when nobody waits is not told': [['      if (asked > this.#answered) this.#lost(error)\n', '']],
    'an old failure of a lock is news': [['if (asked > this.#answered) this', 'this']],
    'a lock that can not be reached is told again and again': [['    if (this.#lostAt !== undefined) return\n', '']],
    'a slot waits for its lock beyond its window': [
      ['Math.max(0, untilMs - clock.now()) + 1', 'Math.max(0, untilMs - clock.now()) + 600_000'],
    ],
    'a silent lock is waited for': [['const SILENT_AFTER_MS = 10_000', 'const SILENT_AFTER_MS = 100_000_000']],
    'what a lock gives is not looked at': [['checkAnswer(await this.#call(async', '(await this.#call(async']],
    'a stop does not wait for the lock': [
      ['    if (this.#calls.size > 0) await waitFor', '    if (this.#calls.size < 0) await waitFor'],
    ],
  }),
  ...mutantsOf(`${abstractions}/in-process-lock.ts`, [`${abstractions}/in-process-lock.test.ts`], {
    'a lock is given twice': [["    if (holder) return { kind: 'refused', blockedBy: holder.runId }\n", '']],
    'a late release frees the lock of another': [
      ['if (this.#holds.get(worker) === hold) this.#holds.delete(worker)', 'this.#holds.delete(worker)'],
    ],
    'a locked slot can be claimed again': [['    if (claims.has(dueAt)) return false\n', '']],
    'the claim of a lock ends before its window': [['now + startableForMs + this', 'now + this']],
  }),
  ...mutantsOf(`${defaultManager}/src/default-background-worker-manager.ts`, [contract, time], {
    'a pause owes its slots': [
      [
        '    this.#timetable.set(entry, undefined)\n    this.#runner.work.pause(name)',
        '    this.#runner.work.pause(name)',
      ],
      ['    entry.paused = undefined\n    this.#schedule(entry)\n', '    entry.paused = undefined\n'],
    ],
    'a decided slot comes again after a step back': [['this.#runner.isDecided(entry, next)', 'Number.isNaN(next)']],
    'a stop takes new slots': [['    this.#timetable.close()\n', '']],
    'a step back leaves workers silent': [['      this.#timetable.set(entry, expected)\n', '']],
    'a removed worker keeps its slots': [['    if (isPeriodic(entry)) this.#timetable.set(entry, undefined)\n', '']],
  }),
  ...mutantsOf(`${defaultManager}/src/run-history.ts`, [`${defaultManager}/src/run-history.test.ts`, contract], {
    'consecutive failures are not reset': [['      this.#consecutiveFailures = 0\n', '']],
    'the last success is trimmed': [['[this.#lastSuccess, this.#lastFailure]', '[this.#lastFailure]']],
    'a slot that succeeded is older than any other run': [['>= (other?.decision ?? 0)', '>= 0']],
  }),
  ...mutantsOf(`${defaultManager}/src/packed-runs.ts`, [`${defaultManager}/src/run-history.test.ts`], {
    'too many packed runs are dropped': [['excess * WIDTH)', '(excess + 1) * WIDTH)']],
    'a packed catch-up is an ordinary run': [["? 'scheduled' : 'catch-up'", "? 'scheduled' : 'scheduled'"]],
  }),
]
