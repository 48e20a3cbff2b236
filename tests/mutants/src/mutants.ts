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
const locks = [
  'distributed-lock',
  'distributed-lock-faults',
  'distributed-lock-silence',
  'instances-with-one-lock',
].map((name) => `${defaultManager}/test/${name}.test.ts`)
const watchdog = `${defaultManager}/test/watchdog.test.ts`
const stopFromWithin = `${defaultManager}/test/stop-from-within.test.ts`

/** Of a file whose own test ought to catch them. */
function ownMutants(name: string, faults: Record<string, Mutant['edits']>): Mutant[] {
  return mutantsOf(`${abstractions}/${name}.ts`, [`${abstractions}/${name}.test.ts`], faults)
}

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
      'a walk of one slot counts for another': [['known?.firstDueAt === firstDueAt && isLatest', 'known && isLatest']],
      'a walk counts when a later slot is due': [
        ['dueAt <= now && (next === undefined || now < next)', 'dueAt <= now'],
      ],
      'each worker walks by itself': [['    latestWalks.set(key, { firstDueAt, slot })\n', '']],
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
      'the zone is the one of the host': [['{ timezone: timeZone }', '{}']],
      'a time is lost in a gap that ends at midnight': [
        ['lostAtMidnight(expression, timeZone, afterMs, foundMs) ?? foundMs', 'foundMs'],
      ],
      'a slot that is known is given for any earlier time': [['known && afterMs >= known.afterMs && ', 'known && ']],
    },
  ),
  ...mutantsOf(`${abstractions}/own-context.ts`, [`${abstractions}/own-context.test.ts`, contract], {
    'runs are called in the context of whoever calls': [
      ['=> empty.runInAsyncScope(callback, receiver)', '=> callback.call(receiver as never)'],
    ],
  }),
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
    [
      `${abstractions}/run.test.ts`,
      `${abstractions}/run-retry.test.ts`,
      `${abstractions}/run-context.test.ts`,
      contract,
    ],
    {
      'a run settles before its scope is disposed': [['if (disposal) await disposal', 'void disposal']],
      'an abort does not reach the signal': [['    this.#controller?.abort(reason)\n', '']],
      'a retry starts past the next slot after a sleep': [
        ['|| isPast(this.plan.nextDueAtMs, clock.now()))', '|| isPast(undefined, clock.now()))'],
      ],
      'a retry that was slept through blocks the next slot': [
        ['isPast(this.plan.nextDueAtMs, this.#host.clock.now())', 'isPast(undefined, this.#host.clock.now())'],
      ],
      'a pause does not end retries': [['    this.#mayRetry = false\n', '']],
      'an outcome is fixed twice': [
        ['    if (this.isFinished) return false\n    this.#abortReason', '    this.#abortReason'],
      ],
      'a timeout is an abort': [
        ["return { outcome: 'failed', reason: 'timeout' }", "return { outcome: 'aborted', reason: 'timeout' }"],
      ],
      'a run that is watched again has 30 s anew': [['endedAt + STUCK_AFTER_MS - this', 'STUCK_AFTER_MS + 0 * this']],
      'a run that has ended is called stuck': [['= true\n    this.#clearTimer?.()\n', '= true\n']],
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
    'a run waits for the stop that waits for it': [['caller.leaveToCaller(this.#stopping)', 'void caller']],
    'a run of another manager is not waited for there': [
      ['if (caller?.instanceId === this.#parts.instanceId) ', 'if (caller) '],
    ],
    'a disabled manager works': [['this.#parts.options.isEnabled && ', '']],
    'a manager works while it stops': [
      ["    this.#state = 'stopping'\n    this.#isAtWork = false\n", "    this.#state = 'stopping'\n"],
    ],
    'a manager whose start has failed works': [
      ["      this.#state = 'idle'\n      this.#isAtWork = false\n", "      this.#state = 'idle'\n"],
    ],
    'what is added before the work of a start begins is started twice': [
      ['    await this.#turn\n    this.#isAtWork = true\n', '    this.#isAtWork = true\n    await this.#turn\n'],
    ],
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
    'an appointment that is moved keeps its place': [['    if (!isNew) this.#sink(item, dueAt)\n', '']],
    'what is told of later in a ring has no due time until then': [
      ['      this.#take(item)\n    }', '      this.#take(item)\n      item.dueAt = undefined\n    }'],
    ],
    'what was told of keeps its due time': [['        if (item.heapIndex < 0) item.dueAt = undefined\n', '']],
    'a new first appointment waits for the old alarm': [['dueAt < this.#alarmAt &&', 'dueAt < 0 &&']],
  }),
  ...mutantsOf(`${defaultManager}/src/active-work.ts`, [contract, time], {
    'the record is written after the run': [
      ['    entry.history.begin(run, entry.definition.policy.keepRuns)\n', ''],
      ['    run.start()\n', '    run.start()\n    entry.history.begin(run, entry.definition.policy.keepRuns)\n'],
    ],
    'the guard ends with the outcome': [
      [
        'runFinished: (run) => this.#records',
        'runFinished: (run) => (this.#placeOf(run.plan.entry).active = undefined) ?? this.#records',
      ],
    ],
    'a pause lets a jittered slot run': [
      [
        "active.record.kind === 'manual') return\n    this.#endWaiting(",
        "active.record.kind === 'manual') return\n    void (",
      ],
    ],
  }),
  ...mutantsOf(`${defaultManager}/src/active-work.ts`, locks, {
    'a stop leaves a jittered slot waiting': [
      ['      else if (!active.isAsking) this.#endByStop(', '      else void ('],
    ],
    'a slot that was claimed is lost when its manager stops': [['else if (!active.isAsking) this', 'else this']],
    'a run that begins while its manager stops is repeated': [
      ['      run.endRetries()\n      this.#stopping', '      this.#stopping'],
    ],
    'a run does not give its lock back': [['      this.#parts.locks?.release(hold)\n', '']],
    'a lost lock aborts nothing': [['() => run.abort(leaseLost(run, hold))', '() => undefined']],
    'the lock of a run that a stop has given up on is waited for': [['active.plan.lock?.leave()', 'void active']],
    'a pause ends a trigger that waits for its lock': [[" || active.record.kind === 'manual') return", ') return']],
  }),
  ...mutantsOf(`${defaultManager}/src/slot-runner.ts`, [contract, time], {
    'a trigger does not heed the guard': [
      ['if (activeRunId !== undefined) throw new WorkerBusyError', "if (activeRunId === '') throw new WorkerBusyError"],
    ],
    'a worker that has not started can be triggered': [
      ["    if (entry.startState !== 'ready') throw new WorkerNotReadyError(entry.name)\n", ''],
    ],
    'a slot that waits blocks itself': [
      ['    if (activeRunId !== undefined && activeRunId === slotRunId(entry.name, slot)) return\n', ''],
    ],
    'a slot that waits is decided again': [['return isWaiting || (entry', 'return (entry']],
    'a set back clock hides missed slots': [["slot.missedSlots > 0 ? 'catch-up' : 'scheduled'", "'scheduled'"]],
  }),
  ...mutantsOf(`${defaultManager}/src/slot-runner.ts`, locks, {
    'the claim that comes with a lock ignores the window': [
      ['startableForMs: latestStartAt - slot.dueAt', 'startableForMs: 0'],
    ],
    'a start that can not be locked waits for ever': [
      [
        '        untilMs: now + startWindow(entry.definition, slot).latestStartAt - slot.dueAt,\n',
        '        untilMs: Number.MAX_SAFE_INTEGER,\n',
      ],
    ],
  }),
  ...mutantsOf(`${defaultManager}/src/worker-locks.ts`, locks, {
    'a lock that fails when nobody waits is not told': [['      if (asked > this.#answered) this.#lost(error)\n', '']],
    'an old failure of a lock is news': [['if (asked > this.#answered) this', 'this']],
    'a lock that is away is looked for again at each failure': [
      ['if (isNew) this.#probeLater()', 'this.#probeLater()'],
    ],
    'a lock that has not answered is not looked for again': [
      ['    this.#probeLater()\n    const { lostAt } = this.#outage\n', '    const { lostAt } = this.#outage\n'],
      ['.then(answered, () => {})', '.then(answered, () => this.#probeLater())'],
    ],
    'every stop waits for a call of the lock that is never answered': [
      ['      this.#calls.delete(answer)\n', '      void answer\n'],
    ],
    'what a lock gives is not looked at': [['checkAnswer(await this.#call(async', '(await this.#call(async']],
    'a stop does not wait for the lock': [
      ['    if (this.#calls.size > 0 && timeoutMs', '    if (this.#calls.size < 0 && timeoutMs'],
    ],
    'a stop waits for the lock beyond its deadline': [['Math.min(SILENT_AFTER_MS, endsAt - now)', 'SILENT_AFTER_MS']],
    'a stop waits for the lock 1 s longer always': [['now < deadline ? deadline : deadline +', 'deadline +']],
  }),
  ...mutantsOf(`${defaultManager}/src/lock-wait.ts`, locks, {
    'a lock that comes late is kept': [['      this.#host.release(answer)\n', '']],
    'a lock that is lost already is as good': [['(this.#isOver || answer.signal.aborted)', 'this.#isOver']],
    'a slot waits for its lock beyond its window': [['untilMs + 1)', 'untilMs + 600_000)']],
    'a slot that waits for its lock blocks the next one after a sleep': [['    this.#deadline?.look()\n', '']],
    'a silent lock is waited for': [['const SILENT_AFTER_MS = 10_000', 'const SILENT_AFTER_MS = 100_000_000']],
  }),
  ...mutantsOf(`${abstractions}/in-process-lock.ts`, [`${abstractions}/in-process-lock.test.ts`], {
    'a lock is given twice': [["    if (holder) return { kind: 'refused', blockedBy: holder.runId }\n", '']],
    'a late release frees the lock of another': [
      ['if (this.#holds.get(worker) === hold) this.#holds.delete(worker)', 'this.#holds.delete(worker)'],
    ],
    'a locked slot can be claimed again': [['    if ((claims.get(dueAt) ?? now) > now) return false\n', '']],
    'the claim of a lock ends before its window': [['now + startableForMs + this', 'now + this']],
    'the claims of removed workers are kept': [['if (now >= this.#forgetsAt) this', 'if (now < 0) this']],
  }),
  ...mutantsOf(`${defaultManager}/src/default-background-worker-manager.ts`, [contract, time], {
    'a pause owes its slots': [
      ['    this.#slots.drop(entry)\n    this.#runner.work.pause(entry)', '    this.#runner.work.pause(entry)'],
      ['    entry.paused = undefined\n    this.#slots.enterNext(entry)\n', '    entry.paused = undefined\n'],
    ],
    'a removed worker keeps its slots': [['    if (isPeriodic(entry)) this.#slots.drop(entry)\n', '']],
    'the start of a worker that is removed goes on as long as the run of its predecessor': [
      ["entry.startState === 'ready' ? this.#runner.work.runOf(entry) : undefined", 'this.#runner.work.runOf(entry)'],
    ],
    'a worker is to run at the start before it has started': [
      ["policy.runOnStart && entry.startState === 'ready'", 'policy.runOnStart'],
    ],
  }),
  ...mutantsOf(`${defaultManager}/src/worker-slots.ts`, [contract, time], {
    'a decided slot comes again after a step back': [['this.#runner.isDecided(entry, next)', 'Number.isNaN(next)']],
    'a stop takes new slots': [['    this.#timetable.close()\n', '']],
    'a step back leaves workers silent': [['      this.#timetable.set(entry, expected)\n', '']],
    'a wait that a machine slept through blocks the next slot': [['      this.#runner.work.lookAtWait(entry)\n', '']],
    'a worker that was removed when its wait ended has a slot': [
      ['if (this.isScheduled(entry) && entry.dueAt === slot.nextDueAt) this', 'this'],
    ],
    'a run is not in the way of the slots of a worker that is starting': [
      [
        "entry.startState === 'ready' || this.#runner.work.runIdOf(entry) !== undefined",
        "entry.startState === 'ready'",
      ],
    ],
  }),
  ...mutantsOf(`${defaultManager}/src/run-history.ts`, [`${defaultManager}/src/run-history.test.ts`, contract], {
    'consecutive failures are not reset': [['      this.#consecutiveFailures = 0\n', '']],
    'the last success is trimmed': [['[this.#lastSuccess, this.#lastFailure]', '[this.#lastFailure]']],
    'a slot that succeeded is older than any other run': [['>= (other?.decision ?? 0)', '>= 0']],
    'what was kept before stays': [['while (list.length > most)', 'if (list.length > most)']],
  }),
  ...mutantsOf(
    `${defaultManager}/src/packed-runs.ts`,
    [`${defaultManager}/src/packed-runs.test.ts`, `${defaultManager}/src/run-history.test.ts`],
    {
      'packed runs pile up': [['(this.#newest + 1) % keepRuns', 'this.#newest + 1']],
      'too many packed runs are dropped': [['(this.#newest + 1) % keepRuns', '(this.#newest + 1) % (keepRuns - 1)']],
      'packed runs are listed as they stand': [
        ['const numbers = this.#oldestFirst()\n    return', 'const numbers = this.#chunks.flat()\n    return'],
      ],
      'a packed catch-up is an ordinary run': [[" && kind === 'scheduled' && missedSlots === 0", '']],
    },
  ),
  ...ownMutants('watchdog', {
    'a slot is overdue at once after 10 s': [['now - dueAtMs > OVERDUE_AFTER_MS', 'now - dueAtMs >= OVERDUE_AFTER_MS']],
    'an orphan is expected to have slots': [
      ['if (!worker.isScheduled || worker.isOrphaned)', 'if (!worker.isScheduled)'],
    ],
    'a paused worker is expected to have slots': [
      ['if (!worker.isScheduled || worker.isOrphaned)', 'if (worker.isOrphaned)'],
    ],
    'a worker that gets no slots is fine': [
      ['if (worker.isSilentBecause !== undefined) add', "if (worker.isSilentBecause === '') add"],
    ],
    'a worker never ran after its first slot': [['const NEVER_RAN_AFTER = 2', 'const NEVER_RAN_AFTER = 1']],
    'a worker without a handler never ran either': [['!worker.hasRun && !worker.hasNoHandler', '!worker.hasRun']],
    'a failed run makes up for a lost one': [
      [
        "outcomes.findLast((outcome) => outcome === 'lost' || outcome === 'succeeded') === 'lost'",
        "outcomes.at(-1) === 'lost'",
      ],
    ],
    'a paused worker has lost nothing': [
      ['if (isLost(recentOutcomes))', 'if (worker.isScheduled && isLost(recentOutcomes))'],
    ],
  }),
  ...ownMutants('loop-watch', {
    'a lag is told at its limit': [['if (lagMs > limitMs)', 'if (lagMs >= limitMs)']],
    'a lag is taken back early': [['now - this.#laggedAt > FINE_AFTER_MS', 'now - this.#laggedAt >= FINE_AFTER_MS']],
    'a lag is taken back a minute after the first': [['this.#laggedAt = now', 'this.#laggedAt ??= now']],
    'the manager is asked right after a lag': [['if (lagMs < LOOK_MS) this.look()', 'this.look()']],
    'a watch that is started twice has two timers': [['    this.stop()\n    this.#arm()', '    this.#arm()']],
    'a watch leaves its timer': [['if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)', '']],
    'a stopped watch still tells of a lag': [["    this.#parts.health.clear('event-loop-lag')\n", '']],
    'a stopped watch still tells of no progress': [["    this.#parts.health.clear('no-progress')\n", '']],
    'no progress is told for ever': [["      health.clear('no-progress')\n      return", '      return']],
    'no progress is logged at every look': [
      ['if (health.add({ code', 'health.add({ code'],
      ["'no-progress', message })) logger", "'no-progress', message }); logger"],
    ],
    'the watch keeps the process alive': [['(this.#timer as { unref?: () => unknown }).unref?.()', 'void this.#timer']],
    'the watch goes by faked timers': [
      ['=> setTimeout(callback, delayMs)', '=> globalThis.setTimeout(callback, delayMs)'],
    ],
  }),
  ...ownMutants('clock', {
    'a timer that fires early ends a wait': [['    if (ms > 0) arm(ms)\n    else callback()', '    callback()']],
    'a wait is longer than a timer can hold': [['callback, MAX_TIMER_MS, ', 'callback, Number.MAX_VALUE, ']],
    'a wait sees steps of the wall clock': [
      ['const endsAt = clock.monotonicNow() + delayMs', 'const endsAt = clock.now() + delayMs'],
      ['() => endsAt - clock.monotonicNow())', '() => endsAt - clock.now())'],
    ],
    'a wait for a wall time does not notice a sleep': [
      ['callback, MAX_WAIT_MS, remainingMs)', 'callback, MAX_TIMER_MS, remainingMs)'],
    ],
    'a wait for a wall time is as long as a clock is set back': [
      ['Math.min(at - clock.now(), endsAt - clock.monotonicNow())', 'at - clock.now()'],
    ],
    'a wait for a wall time is as long as a machine sleeps': [
      ['Math.min(at - clock.now(), endsAt - clock.monotonicNow())', 'endsAt - clock.monotonicNow()'],
    ],
    'the system clock keeps the timers it has seen first': [
      [
        'setTimer: (callback, delayMs) => globalThis.setTimeout(callback, delayMs)',
        'setTimer: globalThis.setTimeout.bind(globalThis)',
      ],
    ],
  }),
  ...ownMutants('store-outage', {
    'an outage is told again and again': [['const isNew = this.#lostAt === undefined', 'const isNew = true']],
    'the reason of an outage names the first error': [
      [
        "    health.add({ code: 'store-lost', message })\n    if (isNew)",
        "    if (isNew) health.add({ code: 'store-lost', message })\n    if (isNew)",
      ],
    ],
    'an outage is told to be over again and again': [
      ['    this.#lostAt = undefined\n    logger.info', '    logger.info'],
    ],
    'an outage that is over is still a reason': [["    health.clear('store-lost')\n", '']],
    'a forgotten outage is still a reason': [["    this.#parts.health.clear('store-lost')\n", '']],
    'a forgotten outage is told to be over': [
      ['  forget(): void {\n    this.#lostAt = undefined\n', '  forget(): void {\n'],
    ],
  }),
  ...ownMutants('wait-for', {
    'a wait leaves its timer': [['  clear()\n', '']],
    'a rejection ends no wait': [['    () => true,\n    () => true,\n', '    () => true,\n']],
  }),
  ...ownMutants('event-hub', {
    'a listener that throws silences the next': [
      [
        '      } catch (err) {\n        this.#report(event, err)',
        '      } catch (err) {\n        this.#report(event, err)\n        break',
      ],
    ],
    'what a listener rejects with is not heard': [
      ['if (result instanceof Promise) result.catch((err) => this.#report(event, err))', 'void result'],
    ],
    'a listener that is added by another hears the same event': [['of [...listeners])', 'of listeners)']],
    'a function listens once however often it is added': [['= (payload) => listener(payload)', '= listener']],
  }),
  ...ownMutants('safe-logger', {
    'a logger that throws stops the work': [
      ['    } catch {\n      // A logger', '    } catch (error) {\n      if (error) throw error\n      // A logger'],
    ],
    'a logger that rejects is not caught': [['if (written instanceof Promise) written.catch(() => {})', '']],
    'a child logger is made for each line': [['this.#target ??= this', 'this.#target = this']],
    'a child of a child forgets its parent': [['{ ...this.#bindings, ...bindings }', 'bindings']],
  }),
  ...ownMutants('health-monitor', {
    'a reason that is known is told again': [['    if (!isNew) return false\n', '']],
    'the health changes with every reason': [['    if (status === this.#status) return\n', '']],
    'a worker has one reason at a time': [
      ['this.#reasons.get(worker)?.has(code) === true', 'this.#reasons.has(worker)'],
    ],
    'a worker is not fine any more when its reasons are gone': [
      ['    if (reasons.size === 0) this.#reasons.delete(worker)\n', ''],
    ],
    'a removed worker keeps its reasons': [
      [
        "for (const code of [...(this.#reasons.get(worker)?.keys() ?? [])]) if (code !== 'stuck') this.clear(code, worker)",
        'void worker',
      ],
    ],
    'a stuck run is forgotten with its worker': [
      ["if (code !== 'stuck') this.clear(code, worker)", 'this.clear(code, worker)'],
    ],
    'a worker that succeeds again still fails': [["    else this.clear('failing', worker)\n", '']],
  }),
  ...ownMutants('worker-starts', {
    'a start that comes late is not taken': [
      [
        '    if (!isCurrent()) return\n    awaited.clearTimer()\n',
        "    if (!isCurrent() || entry.startState === 'failed') return\n    awaited.clearTimer()\n",
      ],
    ],
    'an earlier start counts for a later one': [['this.#awaited.get(entry) === awaited', 'this.#awaited.has(entry)']],
    'a start that has ended leaves its timer': [
      ["    awaited.clearTimer()\n    entry.startState = 'ready'", "    entry.startState = 'ready'"],
    ],
    'a stop lets a start go on': [['    awaited?.abort.abort(', '    void (']],
    'a worker that was started is started again': [["    if (entry.startState !== 'stopped') return\n", '']],
    'a worker is stopped that was not started': [['return !wasStarted || stopAtOnce', 'return stopAtOnce']],
    'a worker that is leaving is started before its run has ended': [
      ['    if (leaving?.runEnded) await leaving.runEnded\n', ''],
    ],
    'a worker that is leaving is started before it has stopped': [['    if (leaving) await leaving.done\n', '']],
    'a worker that is leaving is ready at once': [['if (!leaving && startAtOnce', 'if (startAtOnce']],
    'a worker that was removed while it waited is started': [
      ['    if (!isCurrent()) return\n    awaited.isCalled = true\n', '    awaited.isCalled = true\n'],
    ],
    'a stop that fails stops the manager': [
      ['      this.#host.reports.stopFailed(definition.name, error)', '      throw error'],
    ],
    'a worker is named as it calls itself now': [
      ['startFailed(entry.definition.name, error)', 'startFailed(entry.worker.name, error)'],
    ],
  }),
  ...ownMutants('policy', {
    "the manager's policy goes before the worker's": [['{ ...defaultPolicy, ...own }', '{ ...own, ...defaultPolicy }']],
    "an undefined field hides the manager's": [['{ ...defaultPolicy, ...own }', '{ ...defaultPolicy, ...policy }']],
    'a retry policy needs no backoff': [
      ['attempts === undefined || backoffMs === undefined', 'attempts === undefined'],
    ],
  }),
  ...ownMutants('schedule', {
    'a slot is its own next slot': [
      ['(Math.floor((afterMs - offsetMs) / periodMs) + 1)', 'Math.ceil((afterMs - offsetMs) / periodMs)'],
    ],
    'all workers of a period have one offset': [['(stableHash(workerName) %', "(stableHash('') %"]],
    'each worker wakes the process by itself': [['schedule.periodMs < 100 ? 1 : 10', '1']],
    'the last offset is the period': [
      ['Math.floor(schedule.periodMs / stepMs)', 'Math.ceil((schedule.periodMs + 1) / stepMs)'],
    ],
    'a schedule is the same in two zones': [[' && one.timeZone === other.timeZone', '']],
    'an offset may be a whole period': [['offsetMs >= periodMs)', 'offsetMs > periodMs)']],
    'a schedule can be changed': [
      ["Object.freeze({ kind: 'every', periodMs } as const)", "{ kind: 'every', periodMs } as const"],
    ],
  }),
  ...ownMutants('stable-hash', {
    'every offset and jitter moves': [['0x9747b28c', '0x9747b28d']],
    'names that end in 1, 2, 3 lie together': [
      ['(mix(high) & 0xfffff) * 2 ** 32 + mix(low)', '(high & 0xfffff) * 2 ** 32 + (low >>> 0)'],
    ],
  }),
  ...ownMutants('recorded-error', {
    'a long stack is kept whole': [['cut(thrown.stack, 8_000)', 'thrown.stack']],
    'what can not be read is thrown on': [
      ["    return { name: 'NonError', message: 'what was thrown can not be read' }", '    throw thrown'],
    ],
  }),
  ...ownMutants('tracing', {
    'a subscriber can call a run twice': [['(running ??= run())', 'run()']],
    'a subscriber can keep a run from being called': [['  return call()\n', '  return running as never\n']],
    'a run that fails is no error of its channel': [
      ["if (record.outcome !== 'succeeded') throw", "if (record.outcome === 'lost') throw"],
    ],
    'a cause may be of any length': [[' && cause.length <= 1_000', '']],
  }),
  ...mutantsOf(`${abstractions}/worker-reports.ts`, [contract, watchdog], {
    'a finding is told at every look': [['      if (!isNew) continue\n', '']],
    'a finding is never taken back': [
      ['if (findings.some((finding) => finding.code === code)) continue', "if (code !== 'overdue') continue"],
    ],
    'what only a running manager can say outlives the stop': [['    this.#health.clearAll(ONLY_WHILE_RUNNING)\n', '']],
    'a worker that is stuck no more has not recovered': [
      [
        "    if (this.#health.clear('stuck', worker)) this.#events.emit('worker-recovered', { worker })\n",
        "    this.#health.clear('stuck', worker)\n",
      ],
    ],
    'a failed start is not in the health': [["    this.#health.add({ worker, code: 'start-failed', message })\n", '']],
  }),
  ...mutantsOf(`${abstractions}/worker-status.ts`, [contract, watchdog], {
    'a stuck worker runs': [["  if (facts.isStuck) return 'stuck'\n", '']],
    'a paused worker is idle': [["  if (facts.isPaused) return 'paused'\n", '']],
    'a worker whose start failed is idle': [["  if (facts.isStartFailed) return 'start-failed'\n", '']],
    'an overdue worker is idle': [["  if (facts.isOverdue) return 'overdue'\n", '']],
  }),
  ...mutantsOf(`${abstractions}/worker-stops.ts`, [contract], {
    'a worker is stopped before its run has ended': [['  await Promise.race([run.drained, deadlinePassed])\n', '']],
    'a worker that is added again does not know that it is leaving': [
      ['if (leaving.object === worker) return leaving', 'if (leaving.object !== worker) return leaving'],
    ],
    'a stop does not wait for a removed worker': [[', ...leaving]', ']']],
    'a stop waits for a removed worker that another has given up on': [
      ['.filter((worker) => !this.#waitedFor.has(worker))', ''],
    ],
    'a removed worker that a stop has given up on is started again beside its stop': [
      ['    for (const worker of leaving) this.#waitedFor.add(worker)\n', '    this.#leaving.clear()\n'],
    ],
    'a worker is started beside its run that a stop has given up on': [
      ['run && !inheritsStart(worker) ? Promise.all([stopped, run.drained]) : stopped', 'stopped'],
    ],
    'a worker is not told of the deadline': [['abort: () => deadline.abort(', 'abort: () => void (']],
  }),
  ...mutantsOf(`${defaultManager}/src/run-records.ts`, [contract, watchdog, time], {
    'failures do not make the health': [
      ['this.#parts.health.noteFailures(entry.name, entry.history.consecutiveFailures)\n', '{}\n'],
    ],
    'the end of a run is no event': [
      ["if (this.#parts.events.hears('run-finished')) this.#parts.events.emit('run-finished', run.finishedRecord)", ''],
    ],
    'the end of a run that never began is no event': [["    this.#parts.events.emit('run-finished', record)\n", '']],
    'nobody looks at a worker that has run': [
      ['    this.#parts.recorded(entry, run.end?.finishedAtMs ?? this.#parts.options.clock.now())\n', ''],
    ],
    'nobody looks at a worker whose slot was missed': [
      [
        '    this.#parts.reports.slotSkipped(record)\n    this.#parts.recorded(entry, now)\n',
        '    this.#parts.reports.slotSkipped(record)\n',
      ],
    ],
    'a slot that does not run is no event': [['    this.#parts.reports.slotSkipped(record)\n', '']],
    'a slot that does not run has no end': [[', finishedAt: new Date(now) }', ' }']],
    'a slot that does not run is not kept': [
      ['    entry.history.skip(record, entry.definition.policy.keepRuns)\n', ''],
    ],
    'a slot does not count those it passed over': [["'scheduled', dueAt, missedSlots)", "'scheduled', dueAt)"]],
  }),
  ...mutantsOf(`${defaultManager}/src/active-work.ts`, [contract, time], {
    'a cancel does not reach what waits': [['active.record.runId === runId)', "active.record.runId === '')"]],
    'nobody has cancelled what waited': [['cancelledBeforeStart(by)', 'cancelledBeforeStart(undefined)']],
    'a removal leaves a jittered slot waiting': [
      ['if (active instanceof Waiting) this.#endWaiting(active, new UnknownWorkerError(entry.name))', ''],
    ],
    'a stop lets runs be repeated': [
      ['if (active instanceof Run) active.endRetries()\n      else', 'if (active instanceof Run) continue\n      else'],
    ],
    'a pause lets runs be repeated': [['    if (active instanceof Run) active.endRetries()\n    if', '    if']],
    'a run is told of when it has begun to work': [
      [
        "    if (this.#parts.events.hears('run-started')) this",
        "    run.start()\n    if (this.#parts.events.hears('run-started')) this",
      ],
      ['run.record)\n    run.start()\n', 'run.record)\n'],
    ],
    'a run does not know the last success': [
      ['entry.hasHistory ? entry.history.lastSucceededAtMs : undefined', 'undefined'],
    ],
  }),
  ...mutantsOf(`${defaultManager}/src/active-work.ts`, locks, {
    'a cancelled trigger that waits for its lock is recorded': [
      ["        if (active.record.kind === 'manual') return true\n", ''],
    ],
    'a lock that fails in its own words is no lost lease': [
      [
        '  return new LeaseLostError(run.plan.worker.name',
        '  return signal.reason as never ?? new LeaseLostError(run.plan.worker.name',
      ],
    ],
  }),
  ...mutantsOf(`${defaultManager}/src/default-background-worker-manager.ts`, [contract, watchdog], {
    'a worker that is added again has no history': [
      ['if (entry.hasHistory) this.#keepHistory(name, entry.history)', ''],
    ],
    'what is told and decided belongs to the run that asks for the health': [
      [
        'Run.outside(() => {\n      this.#slots.lookAtProgress()',
        ';((callback: () => void) => callback())(() => {\n      this.#slots.lookAtProgress()',
      ],
    ],
    'a run that a stop gave up on is never stuck': [
      ["    this.#runner.work.watchAgain((worker) => this.#parts.health.has('stuck', worker))\n", ''],
    ],
    'whoever asks for the health does not ring the alarm': [['      this.#slots.ringIfOverdue()\n', '']],
  }),
  ...mutantsOf(`${defaultManager}/src/worker-slots.ts`, [contract, watchdog], {
    'the watch goes on after the stop': [['    this.#loopWatch.stop()\n', '']],
    'nobody rings an alarm that is dead': [['if (!isRinging) Run.outside(() => this.#timetable.ring())', '']],
    'a clock that was set is not in the health': [
      ["    this.#parts.health.add({ code: 'clock-skew', message })\n", ''],
    ],
    'a clock that was set is in the health for as long as nothing is to come': [
      ['        this.#forgetStep()\n        return this', '        return this'],
    ],
  }),
  ...mutantsOf(`${defaultManager}/src/default-background-worker-manager.ts`, locks, {
    'a worker runs at the start while the manager stops': [
      ['if (isWanted && this.#slots.isScheduled(entry))', 'if (isWanted && !entry.paused)'],
    ],
  }),
  ...mutantsOf(`${defaultManager}/src/default-background-worker-manager.ts`, [stopFromWithin], {
    'a stop within a run gives up on that run': [['filter((run) => run !== caller)', 'filter(() => caller !== null)']],
  }),
]
