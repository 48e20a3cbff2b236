import { Script } from 'node:vm'
import {
  type HealthCode,
  type Schedule,
  StoreUnavailableError,
  type WorkerStatus,
  cron,
  every,
} from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { describe, expect, it } from 'vitest'
import { clientScript } from '../src/client-script.ts'
import { type DashboardOptions, createDashboard } from '../src/index.ts'
import { StubManager, runRecord, workerStatus } from './fixtures/stub-manager.ts'
import { Visitor } from './fixtures/visitor.ts'

const since = new Date('2026-01-01T00:00:00Z')

describe('every page', () => {
  it('refers to nothing but its own assets, relatively, and they are there', async () => {
    const { visitor } = setUp([workerStatus('mailer')])
    for (const path of ['/', '/workers', '/workers/mailer', '/workers/mailer/confirm/reschedule', '/nothing/at/all']) {
      const page = await visitor.page(path)
      expect(page).not.toMatch(/(?:href|src|action)="(?:\/|https?:)/)
      expect(page).not.toMatch(/ style="|<style|<script>/)
      for (const [, link = ''] of page.matchAll(/<(?:link|script)[^>]*?(?:href|src)="([^"]+)"/g)) {
        const asset = await visitor.fetch(new URL(link, `http://shop.test${path}`).pathname)
        expect(asset.status).toBe(200)
        expect(asset.headers.get('cache-control')).toContain('immutable')
      }
    }
  })

  it('has a strict policy for content, is not kept, and not framed', async () => {
    const { headers } = await setUp().visitor.fetch('/workers')
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    )
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    // `no-referrer` would make the origin of forms `null`.
    expect(headers.get('referrer-policy')).toBe('same-origin')
  })

  it('has a script that can be read', () => {
    expect(() => new Script(clientScript)).not.toThrow()
  })

  it('links so that a proxy may call the dashboard otherwise', async () => {
    const { visitor } = setUp([workerStatus('mailer')], { basePath: '/internal/jobs' })
    const page = await visitor.page('/internal/jobs/workers/mailer/confirm/pause')
    const [, action = ''] = /<form method="post" action="([^"]+)"/.exec(page) ?? []
    const seenByBrowser = new URL(action, 'https://admin.test/x/workers/mailer/confirm/pause')
    expect(seenByBrowser.href).toBe('https://admin.test/x/workers/mailer/pause')
  })
})

describe('a base path', () => {
  it('leads from its bare form to the root, relatively', async () => {
    const { visitor } = setUp([], { basePath: '/internal/jobs' })
    const response = await visitor.fetch('/internal/jobs')
    expect([response.status, response.headers.get('location')]).toEqual([302, './jobs/'])
    expect((await visitor.fetch('/internal/jobs/')).status).toBe(200)
  })

  it.each(['/', '/internal', '/internal/jobsworth', '/workers'])('does not answer %s', async (path) => {
    expect((await setUp([], { basePath: '/internal/jobs' }).visitor.fetch(path)).status).toBe(404)
  })
})

describe('the list', () => {
  it('shows name, schedule, next, last, outcomes and state of a worker', async () => {
    const lastRun = runRecord('digest', { outcome: 'failed' })
    const page = await setUp([
      workerStatus(
        'digest',
        {
          nextDueAt: new Date(Date.now() + 3_600_000),
          lastRun,
          recentOutcomes: ['succeeded', 'succeeded', 'failed'],
          consecutiveFailures: 4,
          state: 'running',
          activeRun: runRecord('digest'),
        },
        cron('0 9 * * MON-FRI', { timeZone: 'Europe/Berlin' }),
      ),
    ]).visitor.page('/workers')
    expect(page).toContain('data-worker="digest"')
    const text = textOf(page)
    expect(text).toContain('at 09:00, Monday through Friday 0 9 * * MON-FRI Europe/Berlin')
    expect(text).toContain('in 60 min')
    expect(text).toMatch(/failed 1\.2 s \d+ d ago on instance/)
    expect(page).toContain('aria-label="Last 3: 2 succeeded, 1 failed"')
    expect(text).toContain('Running Failing 4 times')
  })

  it('shows who has paused and who has overridden', async () => {
    const paused = workerStatus('stock', { state: 'paused', paused: { note: 'counting', by: 'ada', since } })
    const override = { schedule: every('25s'), by: 'grace', since }
    const page = await setUp([
      paused,
      { ...workerStatus('rates'), schedule: { declared: every('1h'), override } },
    ]).visitor.page('/workers')
    expect(textOf(page)).toContain('Paused by ada: counting')
    expect(textOf(page)).toContain('every 25 seconds 25s overridden')
    expect(page).toContain('title="Overridden by grace since 2026-01-01 00:00:00 UTC"')
  })

  it('keeps the query in the links that change it', async () => {
    const workers = Array.from({ length: 120 }, (_, index) => workerStatus(`w${index}`, { state: 'overdue' }))
    const page = await setUp(workers).visitor.page('/workers?q=w&state=overdue&sort=next&page=2')
    expect(page).toContain('Page 2 of 3')
    expect(page).toContain('href="?q=w&amp;state=overdue&amp;sort=next" rel="prev"')
    expect(page).toContain('href="?q=w&amp;state=overdue&amp;sort=next&amp;page=3" rel="next"')
    expect(page).toContain('href="?q=w&amp;state=overdue&amp;sort=next&amp;order=desc"')
    expect(page).toContain('aria-sort="ascending"')
  })

  it('says what is there where nothing is', async () => {
    expect(await setUp().visitor.page('/workers')).toContain('No workers yet')
    expect(await setUp([workerStatus('a')]).visitor.page('/workers?q=b')).toContain('No worker matches')
  })
})

describe('the page of a worker', () => {
  it('shows ten due times in the zone of the cron, across a change of the clocks', async () => {
    const first = new Date('2026-10-24T07:00:00Z')
    const worker = workerStatus('digest', { nextDueAt: first }, cron('0 9 * * *', { timeZone: 'Europe/Berlin' }))
    const text = textOf(await setUp([worker]).visitor.page('/workers/digest'))
    expect(text).toContain('Sat 2026-10-24 09:00:00 +02:00')
    expect(text).toContain('Sun 2026-10-25 09:00:00 +01:00')
    expect(text).toContain('Mon 2026-11-02 09:00:00 +01:00')
    expect(text).not.toContain('2026-11-03')
  })

  it('shows its records with reason, who, error and stack', async () => {
    const { visitor, manager } = setUp([workerStatus('mailer')])
    manager.records = [
      runRecord('mailer', {
        runId: 'mailer.2',
        kind: 'manual',
        by: 'ada',
        outcome: 'failed',
        reason: 'timeout',
        attempts: 2,
        error: { name: 'RunTimeoutError', code: 'run-timeout', message: 'took too long', stack: 'at doWork' },
      }),
      runRecord('mailer', { outcome: 'skipped', reason: 'overlap', blockedBy: 'mailer.0', missedSlots: 3 }),
    ]
    const text = textOf(await visitor.page('/workers/mailer'))
    expect(text).toMatch(
      /failed timeout manual, by ada [^:]* 2 instance RunTimeoutError \(run-timeout\): took too long at doWork skipped/,
    )
    expect(text).toContain('skipped overlap 3 earlier slots missed, blocked by mailer.0')
  })

  it('shows of errors only name and code where they are to be redacted', async () => {
    const { visitor, manager } = setUp([workerStatus('mailer')], { errors: 'redacted' })
    const error = { name: 'DatabaseError', code: 'E1', message: 'password=hunter2', stack: 'at /srv/secret.ts' }
    manager.records = [runRecord('mailer', { outcome: 'failed', error })]
    const page = await visitor.page('/workers/mailer')
    expect(page).toContain('DatabaseError (E1)')
    expect(page).not.toMatch(/hunter2|secret/)
  })

  it('shows that its start failed here while it runs elsewhere, without the error', async () => {
    const { visitor, manager } = setUp([workerStatus('mailer', { state: 'running', activeRun: runRecord('mailer') })])
    manager.report = {
      status: 'degraded',
      reasons: [{ worker: 'mailer', code: 'start-failed', message: 'failed to start: password=hunter2' }],
    }
    const page = await visitor.page('/workers/mailer')
    expect(textOf(page)).toContain('Running Start failed')
    expect(page).toContain('Its own start failed, so it does not run here.')
    expect(page).not.toContain('hunter2')
  })

  it('offers what fits how the worker stands', async () => {
    const offered = async (worker: WorkerStatus) => {
      const page = await setUp([worker]).visitor.page(`/workers/${worker.name}`)
      return [...page.matchAll(/data-operation="([^"]+)"/g)].map(([, name]) => name)
    }
    expect(await offered(workerStatus('a'))).toEqual(['trigger', 'pause', 'reschedule'])
    expect(await offered(workerStatus('a', { paused: { since } }))).toEqual(['trigger', 'resume', 'reschedule'])
    expect(await offered(workerStatus('a', { activeRun: runRecord('a') }))).toEqual(['cancel', 'pause', 'reschedule'])
    expect(await offered(workerStatus('a', { state: 'orphaned' }))).toEqual(['pause', 'remove'])
    const { schedule: _, policy: __, ...plain } = workerStatus('a')
    expect(await offered(plain)).toEqual([])
  })

  it('says of due times none of which is a next slot that none of them runs, and why where that is known', async () => {
    const noteOf = async (parts: Partial<WorkerStatus>) => {
      const page = await setUp([workerStatus('mailer', parts)]).visitor.page('/workers/mailer')
      return /; (none of them runs [^<]+)</.exec(page)?.[1]
    }
    expect(await noteOf({ nextDueAt: since })).toBeUndefined()
    expect(await noteOf({})).toBe('none of them runs as things stand')
    expect(await noteOf({ state: 'start-failed' })).toBe('none of them runs as things stand')
    expect(await noteOf({ paused: { since } })).toBe('none of them runs while the worker is paused')
    expect(await noteOf({ state: 'orphaned' })).toBe('none of them runs while the worker is an orphan')
  })

  it('is not found for a worker that is unknown', async () => {
    expect((await setUp().visitor.fetch('/workers/mailer')).status).toBe(404)
  })
})

it.each(['/', '/workers/mailer'])('%s says of what waits for its jitter or its lock that it waits', async (path) => {
  const { startedAt: _, finishedAt: __, outcome: ___, ...activeRun } = runRecord('mailer', { attempts: 0 })
  const { visitor } = setUp([workerStatus('mailer', { state: 'running', activeRun })])
  const text = textOf(await visitor.page(path))
  expect(text).toContain('waits to start')
  expect(text).not.toContain('attempt')
})

it.each([
  ['pause', 'An active attempt goes on; a slot that waits to start and a run that waits for its retry are ended.'],
  ['remove', 'No instance of the release in force declares this worker.'],
  ['remove', 'Instances of another release drop it too, until they restart.'],
])('the form to %s says before it is sent: %s', async (operation, text) => {
  const { visitor } = setUp([workerStatus('mailer', { state: 'orphaned' })])
  expect(textOf(await visitor.page(`/workers/mailer/confirm/${operation}`))).toContain(text)
})

describe('the form to reschedule', () => {
  const berlin = cron('0 9 * * MON-FRI', { timeZone: 'Europe/Berlin' })

  it.each<[Schedule, Partial<Record<'override', Schedule>>?]>([
    [every('1d', { offset: '3h' })],
    [every('90s', { offset: 0 })],
    [every('10m')],
    [berlin],
    [every('1h', { offset: '5m' }), { override: berlin }],
    [berlin, { override: every('1h', { offset: '5m' }) }],
  ])('sent as it is given, changes nothing of %j (%j)', async (declared, { override } = {}) => {
    const worker = workerStatus('mailer', {}, declared)
    const schedule = { declared, ...(override && { override: { schedule: override, since } }) }
    const { visitor, manager } = setUp([{ ...worker, schedule }])
    const form = await visitor.page('/workers/mailer/confirm/reschedule')
    const inputs = [...form.matchAll(/<input [^>]*>/g)].map(([input]) => input)
    const sent = inputs.filter((input) => !input.includes('type="radio"') || input.includes('checked'))
    const fields = sent.map((input) => [attributeOf(input, 'name'), attributeOf(input, 'value')])
    expect((await visitor.post('/workers/mailer/reschedule', Object.fromEntries(fields))).status).toBe(303)
    expect(manager.changes).toEqual([['reschedule', 'mailer', override ?? declared, { by: 'ada' }]])
  })

  it('says what is wrong with an offset, and keeps what was typed', async () => {
    const { visitor, manager } = setUp([workerStatus('mailer')])
    const response = await visitor.act('mailer', 'reschedule', { kind: 'every', period: '1h', offset: '2h' })
    expect(response.status).toBe(422)
    const page = await response.text()
    expect(page).toMatch(/role="alert">[^<]*offset/)
    expect(page).toContain('name="offset" value="2h"')
    expect(manager.changes).toEqual([])
  })
})

function attributeOf(tag: string, name: string): string {
  return new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? ''
}

describe('the overview', () => {
  it('shows what needs attention, the gravest first', async () => {
    const text = textOf(
      await setUp([
        workerStatus('orphan', { state: 'orphaned' }),
        workerStatus('failing', { consecutiveFailures: 3 }),
        workerStatus('stuck', { state: 'stuck' }),
        workerStatus('fine'),
      ]).visitor.page('/'),
    )
    const panel = text.slice(text.lastIndexOf('Needs attention'), text.indexOf('Runs per minute'))
    expect(panel).toMatch(/stuck Stuck .*failing .*orphan Orphaned/)
    expect(panel).not.toContain('fine')
  })

  it.each<[string, Partial<Pick<StubManager, 'report' | 'healthFailure'>>, boolean]>([
    ['ok', {}, true],
    [
      'degraded',
      { report: { status: 'degraded', reasons: [{ code: 'clock-skew', message: 'It is 9 s ahead.' }] } },
      true,
    ],
    [
      'unhealthy',
      { report: { status: 'unhealthy', reasons: [{ code: 'not-running', message: 'It is idle.' }] } },
      false,
    ],
    ['not known', { healthFailure: new Error('away') }, false],
  ])(
    'where no worker needs attention and the health is %s, says so only where that is sure',
    async (_, seen, isSure) => {
      const { visitor, manager } = setUp([workerStatus('mailer', { consecutiveFailures: 2 })])
      Object.assign(manager, seen)
      const page = await visitor.page('/')
      expect(page.includes('No worker needs attention.')).toBe(isSure)
      expect(page.includes('aria-labelledby="attention"')).toBe(isSure)
    },
  )

  it('shows the health and the instances that are alive', async () => {
    const { visitor, manager } = setUp()
    manager.report = {
      status: 'degraded',
      reasons: [{ code: 'clock-skew', message: 'The clock is 9 s ahead.' }],
      instances: [{ instanceId: 'abcdefghij', release: 7, queues: ['default', 'gpu'], lastSeenAt: since }],
    }
    const page = await visitor.page('/')
    const text = textOf(page)
    expect(text).toContain('Health: degraded')
    expect(text).toContain('clock-skew The clock is 9 s ahead.')
    expect(text).toContain('abcdefgh 7 default, gpu 00:00:00 UTC')
    // A browser would count on, as if it had not been seen since.
    expect(page).not.toMatch(/<time datetime="2026-01-01[^>]* data-relative>/)
  })

  it('leads from the runs that are active to a list of the same workers, with those that are stuck', async () => {
    const workers = Array.from({ length: 9 }, (_, index) =>
      workerStatus(`w${index}`, { state: index === 4 ? 'stuck' : 'running', activeRun: runRecord(`w${index}`) }),
    )
    const { visitor } = setUp(workers)
    const [, path = ''] = /<a href="\.([^"]+)">All 9<\/a>/.exec(await visitor.page('/')) ?? []
    const list = await visitor.page(path)
    const names = [...list.matchAll(/<tr [^>]*data-worker="([^"]+)"/g)].map(([, name]) => name)
    expect(names).toEqual(workers.map(({ name }) => name))
  })

  it.each<HealthCode>(['event-loop-lag', 'clock-skew', 'no-progress'])(
    'shows %s, which is about no worker, with its message, also while the workers can not be read',
    async (code) => {
      const { visitor, manager } = setUp([workerStatus('mailer')])
      manager.report = { status: 'degraded', reasons: [{ code, message: `What ${code} means.` }] }
      const page = await visitor.page('/')
      expect(textOf(page)).toContain(`${code} What ${code} means.`)
      expect(page).toContain(`<ul class="banner" data-tone="${code === 'no-progress' ? 'bad' : 'warn'}"`)
      manager.failure = new StoreUnavailableError('Redis does not answer.')
      expect(textOf(await visitor.page('/'))).toContain(`${code} What ${code} means.`)
    },
  )

  it('shows that a run is stuck whose worker has been removed, as no worker of the list does', async () => {
    const { visitor, manager } = setUp([workerStatus('mailer')])
    const stuck = (worker: string) => ({ code: 'stuck', worker, message: `A run of ${worker} is stuck.` }) as const
    manager.report = { status: 'degraded', reasons: [stuck('mailer'), stuck('removed')] }
    const page = textOf(await visitor.page('/'))
    expect(page).toContain('stuck A run of removed is stuck.')
    expect(page).not.toContain('stuck A run of mailer is stuck.')
  })

  it('says that the store is lost, and why only where errors are not to be redacted', async () => {
    const message = 'The distributed lock can not be reached: connect failed: redis://:hunter2@10.0.0.5'
    const pageWith = async (errors: 'full' | 'redacted') => {
      const { visitor, manager } = setUp([], { errors })
      manager.report = { status: 'unhealthy', reasons: [{ code: 'store-lost', message }] }
      return visitor.page('/')
    }
    expect(await pageWith('full')).toContain(message)
    const redacted = await pageWith('redacted')
    expect(redacted).toContain('<strong>store-lost</strong> The store or the lock of the manager can not be reached.')
    expect(redacted).not.toContain('hunter2')
  })

  it('draws the runs of the last hour, says what is counted, and has them as a table', async () => {
    const { visitor, manager } = setUp()
    const finishedAt = new Date()
    manager.emit('run-finished', runRecord('a', { finishedAt }))
    manager.emit('run-finished', runRecord('b', { finishedAt, outcome: 'failed' }))
    const page = await visitor.page('/')
    expect(page).toContain('2 runs ended in the last hour, 1 of them failed or lost.')
    expect(page).toContain('every run of this instance')
    expect(textOf(page)).toContain(`${finishedAt.toISOString().slice(11, 16)} 2 1`)
    // What scrolls can be reached with the keyboard.
    expect(page).toContain('<div class="scroll" role="group" aria-labelledby="activity" tabindex="0"><table')
  })

  it('counts one run as one', async () => {
    const { visitor, manager } = setUp()
    manager.emit('run-finished', runRecord('a', { finishedAt: new Date() }))
    expect(await visitor.page('/')).toContain('1 run ended in the last hour, 0 of them failed or lost.')
  })
})

describe('what the health report finds wrong with a worker', () => {
  const FOUND = [
    { worker: 'silent', code: 'no-next-slot', message: 'Worker "silent" has no next slot.' },
    { worker: 'silent', code: 'lost', message: 'Worker "silent" lost a run.' },
    { worker: 'never', code: 'never-ran', message: 'Worker "never" has never run.' },
  ] as const

  function setUpFound() {
    const all = setUp([workerStatus('never'), workerStatus('silent'), workerStatus('fine')])
    all.manager.report = { status: 'degraded', reasons: FOUND }
    return all
  }

  it('stands as badges in the list, and has filters', async () => {
    const { visitor } = setUpFound()
    const all = textOf(await visitor.page('/workers'))
    expect(all).toMatch(/silent every .* Idle No next slot Lost a run/)
    expect(all).toMatch(/never every .* Idle Never ran silent/)
    expect(all).toContain('Needs attention 2')
    for (const [query, names] of [
      ['state=attention&sort=state', ['silent', 'never']],
      ['state=no-next-slot', ['silent']],
      ['state=lost', ['silent']],
      ['state=never-ran', ['never']],
    ] as const) {
      const page = await visitor.page(`/workers?${query}`)
      expect([...page.matchAll(/data-worker="([^"]+)"/g)].map(([, name]) => name)).toEqual(names)
    }
  })

  it('stands on the page of the worker, all of it, and on no other', async () => {
    const { visitor } = setUpFound()
    const text = textOf(await visitor.page('/workers/silent'))
    expect(text).toContain('Idle No next slot Lost a run')
    expect(text).toMatch(/Worker &quot;silent&quot; has no next slot\. Worker &quot;silent&quot; lost a run\./)
    expect(text).toContain('none of them runs as long as the worker has no next slot')
    expect(textOf(await visitor.page('/workers/fine'))).not.toMatch(/No next slot|Lost a run|Never ran|silent/)
  })

  it('needs attention on the overview, and is counted there', async () => {
    const text = textOf(await setUpFound().visitor.page('/'))
    expect(text).toContain('2 Needs attention')
    const panel = text.slice(text.lastIndexOf('Needs attention'), text.indexOf('Runs per minute'))
    expect(panel).toMatch(
      /silent Idle No next slot Lost a run Worker &quot;silent&quot; has no next slot\. never Idle Never ran Worker &quot;never&quot; has never run\./,
    )
    expect(panel).not.toContain('fine')
  })

  it('is shown as text, whatever it says', async () => {
    const { visitor, manager } = setUp([workerStatus('mailer')])
    manager.report = {
      status: 'degraded',
      reasons: [{ worker: 'mailer', code: 'lost', message: '"><script>alert(1)</script>' }],
    }
    for (const path of ['/', '/workers', '/workers/mailer']) expect(await visitor.page(path)).not.toContain('<script>')
  })
})

describe('while the health can not be read', () => {
  it.each(['/', '/workers', '/workers/mailer'])('%s is there, and says so', async (path) => {
    const { visitor, manager, logger } = setUp([workerStatus('mailer', { nextDueAt: since })])
    manager.healthFailure = new Error('at /srv/secret.ts')
    const response = await visitor.fetch(path)
    expect(response.status).toBe(200)
    const page = await response.text()
    expect(page).toContain('mailer')
    expect(page).toContain('The health can not be read, so something that is wrong may not show.')
    expect(page).not.toContain('secret')
    expect(logger.lines).toMatchObject([{ level: 'error', data: { err: manager.healthFailure } }])
  })
})

describe('while the store is away', () => {
  it('the overview says so, and is there', async () => {
    const { visitor, manager } = setUp()
    manager.failure = new StoreUnavailableError('Redis does not answer.')
    const response = await visitor.fetch('/')
    expect(response.status).toBe(503)
    const page = await response.text()
    expect(page).toContain('The workers can not be read')
    expect(page).toContain('data-events="./events"')
  })

  it.each(['/workers', '/workers/mailer'])('%s says so, and tries again by itself', async (path) => {
    const { visitor, manager } = setUp()
    manager.failure = new StoreUnavailableError('Redis does not answer.')
    const response = await visitor.fetch(path)
    expect(response.status).toBe(503)
    const page = await response.text()
    expect(textOf(page)).toContain('The store can not be reached Redis does not answer.')
    expect(page).toMatch(/data-events="[./]+events"/)
  })
})

it('an action that the store refuses says so, without its message where errors are to be redacted', async () => {
  const { visitor, manager } = setUp([workerStatus('mailer')], { errors: 'redacted' })
  const token = await visitor.token('mailer', 'trigger')
  manager.failure = new StoreUnavailableError('trigger: Redis refuses (NOAUTH hunter2).')
  const response = await visitor.post('/workers/mailer/trigger', { token })
  expect(response.status).toBe(503)
  const text = textOf(await response.text())
  expect(text).toContain(
    'The store can not be reached An action may have been done all the same: look before you repeat it.',
  )
  expect(text).not.toContain('hunter2')
})

it('an action that the store refuses is answered with a page that does not fetch itself again', async () => {
  const { visitor, manager } = setUp([workerStatus('mailer')])
  const token = await visitor.token('mailer', 'trigger')
  manager.failure = new StoreUnavailableError('Redis does not answer.')
  const response = await visitor.post('/workers/mailer/trigger', { token })
  expect(response.status).toBe(503)
  expect(await response.text()).toContain('data-events=""')
})

it('a form that the store keeps back does not come by itself when the store is back', async () => {
  const { visitor, manager } = setUp([workerStatus('mailer')])
  manager.failure = new StoreUnavailableError('Redis does not answer.')
  const response = await visitor.fetch('/workers/mailer/confirm/trigger')
  expect(response.status).toBe(503)
  expect(await response.text()).toContain('data-events=""')
})

it('an error that nobody foresaw is logged, and not shown', async () => {
  const { visitor, manager, logger } = setUp()
  manager.failure = new Error('at /srv/secret.ts')
  const response = await visitor.fetch('/workers')
  expect(response.status).toBe(500)
  expect(await response.text()).not.toContain('secret')
  expect(logger.lines).toMatchObject([{ level: 'error', data: { err: manager.failure } }])
})

it('a dashboard that is closed answers so, and has taken its listeners back', async () => {
  const { visitor, manager, dashboard } = setUp()
  dashboard.close()
  expect((await visitor.fetch('/')).status).toBe(503)
  expect(manager.listenerCount).toBe(0)
})

function setUp(workers: WorkerStatus[] = [], options: Partial<DashboardOptions> = {}) {
  const manager = new StubManager(workers)
  const logger = new RecordingLogger()
  const dashboard = createDashboard({ manager, authorize: () => ({ by: 'ada' }), logger, ...options })
  return { manager, logger, dashboard, visitor: new Visitor(dashboard) }
}

/** What a reader of the page reads, on one line. */
function textOf(page: string): string {
  return page
    .replace(/<(script|title|svg|desc)[\s\S]*?<\/\1>/g, ' ')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .replace(/ ([:,.])/g, '$1')
}
