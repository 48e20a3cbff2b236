import { describe, expect, it } from 'vitest'
import { HOSTILE_NAMES, HOSTILE_TEXTS, attackedDashboard, escaped, expectHarmless } from './fixtures/attack.ts'
import { runRecord, workerStatus } from './fixtures/stub-manager.ts'

/** What may stand in a store all the same. */
const STORED_TEXTS = [...HOSTILE_NAMES, ...HOSTILE_TEXTS.map(([, , text]) => text).filter((text) => text.length < 100)]

describe('what a store holds', () => {
  it.each(HOSTILE_NAMES)('of the name %j is escaped, and not linked to', async (name) => {
    const { visitor } = attackedDashboard(undefined, [
      workerStatus(name, { state: 'stuck', activeRun: runRecord(name) }),
    ])
    for (const path of ['/', '/workers', '/workers?state=attention', `/workers?q=${encodeURIComponent('<')}`]) {
      const response = await visitor.fetch(path)
      expect(response.status).toBe(200)
      expectHarmless(await response.text())
      expect([...response.headers].join()).not.toMatch(/stolen|alert/)
    }
    expect(await visitor.page('/workers')).not.toContain('href="./workers/')
  })

  it.each(STORED_TEXTS)('is escaped where the text %j stands in any other place', async (text) => {
    const hostile = runRecord('mailer', {
      runId: text,
      instanceId: text,
      blockedBy: text,
      by: text,
      outcome: 'failed',
      reason: 'cancelled',
      error: { name: text, message: text, code: text, stack: text },
    })
    const since = new Date()
    const worker = workerStatus('mailer', {
      paused: { note: text, by: text, since },
      activeRun: { ...hostile, kind: 'manual' },
      lastRun: hostile,
      lastFailure: hostile,
      consecutiveFailures: 3,
    })
    const declared = { kind: 'cron', expression: text, timeZone: 'UTC' } as const
    const { visitor, manager } = attackedDashboard(
      () => ({ by: text }),
      [
        { ...worker, policy: { ...worker.policy, queue: text } },
        workerStatus('broken', { nextDueAt: since }, declared),
      ],
    )
    manager.records = [hostile]
    manager.report = {
      status: 'unhealthy',
      reasons: [{ code: 'store-lost', message: text }],
      instances: [{ instanceId: text, queues: [text], lastSeenAt: since }],
    }
    for (const path of [
      '/',
      '/workers',
      '/workers/mailer',
      '/workers/mailer/confirm/pause',
      '/workers/mailer/confirm/cancel',
    ]) {
      const page = await visitor.page(path)
      expectHarmless(page)
      // In the header at least, which says who looks.
      expect(page).toContain(escaped(text))
    }
    expect(await visitor.page('/workers')).toContain(escaped(`Paused by ${text}: ${text}`))
    const records = (await visitor.page('/workers/mailer')).replace(/^[\s\S]*aria-labelledby="records"/, '')
    expect(records).toContain(`<pre tabindex="0">${escaped(text)}</pre>`)
    expect(records).toContain(escaped(`cancelled by ${text}, blocked by ${text}`))
  })
})

it('a link brings no text of its own to a page', async () => {
  const { visitor } = attackedDashboard()
  const attack = encodeURIComponent('"><script>alert(1)</script>')
  for (const name of ['q', 'state', 'sort', 'order', 'page', 'done']) {
    expectHarmless(await visitor.page(`/workers?${name}=${attack}`))
    expectHarmless(await visitor.page(`/workers/mailer?${name}=${attack}`))
  }
  expect(await visitor.page('/workers/mailer?done=constructor')).not.toContain('class="notice"')
})

it.each(['..', 'a/b', `it's "done" & a < b`])(
  'the note %j is handed on as it is, beside the sentence of the log',
  async (note) => {
    const { visitor, manager, logger } = attackedDashboard()
    await visitor.act('mailer', 'pause', { note })
    expect(manager.changes).toEqual([['pause', 'mailer', { note, by: 'ada' }]])
    expect(logger.lines.at(-1)).toMatchObject({ message: 'dashboard action done', data: { details: { note } } })
  },
)
