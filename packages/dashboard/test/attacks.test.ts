import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { WorkerStatus } from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { describe, expect, it } from 'vitest'
import { type AuditEntry, type Authorize, type DashboardAction, createDashboard } from '../src/index.ts'
import { OPERATIONS, type OperationName } from '../src/operations.ts'
import { StubManager, runRecord, workerStatus } from './fixtures/stub-manager.ts'
import { Visitor } from './fixtures/visitor.ts'

const OPERATION_NAMES = Object.keys(OPERATIONS) as OperationName[]
const FIELDS: Readonly<Record<string, string>> = { kind: 'every', period: '5m', note: 'because', runId: 'mailer.1' }

const HOSTILE_NAMES = [
  '<script>alert(1)</script>',
  '" onmouseover="alert(1)',
  "'><img src=x onerror=alert(1)>",
  'x\r\nset-cookie: stolen=1',
  '../../etc/passwd',
  '..',
  'a/b',
  'javascript:alert(1)',
  '\ud800',
]

/** What no field of a form may hold: how it attacks, what the log calls it, and an example. */
const HOSTILE_TEXTS: readonly (readonly [attack: string, holds: string, text: string])[] = [
  ['a script', 'markup', '<script>alert(1)</script>'],
  ['an element that ends the one it is in', 'markup', '</title><svg/onload=alert(1)>'],
  ['an element that ends the attribute it is in', 'markup', "'><img src=x onerror=alert(1)>"],
  ['a comment that hides the rest of the page', 'markup', '<!--'],
  ['a script in place of an address', 'an address that is a script', 'javascript:alert(1)'],
  ['an attribute', 'an event handler', '" onmouseover="alert(1)'],
  ['an attribute behind another', 'an event handler', "x' autofocus onfocus = 'alert(1)"],
  ['a header', 'a line break', 'x\r\nset-cookie: stolen=1'],
  ['a line of the log', 'a line break', 'x\nlevel=info dashboard action done'],
  ['a path', 'a path that leads upwards', '../../etc/passwd'],
  ['a path of Windows', 'a path that leads upwards', 'workers\\..\\mailer'],
  ['the end of a path', 'a control character', 'mailer\0.html'],
  ['a command for a terminal', 'a control character', '\u001b]0;stolen\u0007'],
  ['a text that reads otherwise than it is', 'an invisible character that turns text around', 'the \u202eresu'],
  ['half a character', 'a character that can not be read', '\ud800'],
  ['a text without end', 'more than 1,000 characters', 'x'.repeat(1_001)],
]

/** What may stand in a store all the same. */
const STORED_TEXTS = [...HOSTILE_NAMES, ...HOSTILE_TEXTS.map(([, , text]) => text).filter((text) => text.length < 100)]

describe.each(OPERATION_NAMES)('an attack on %s', (operation) => {
  const path = `/workers/mailer/${operation}`
  const form = `/workers/mailer/confirm/${operation}`
  const { action } = OPERATIONS[operation]

  it('is possible at all: with everything in place it is done', async () => {
    const { visitor, manager, audit, logger } = setUp()
    const response = await visitor.act('mailer', operation, FIELDS)
    expect(response.status).toBe(303)
    expect(manager.changes).toHaveLength(1)
    expect(audit).toMatchObject([{ by: 'ada', action, worker: 'mailer', outcome: 'done' }])
    const data = { by: 'ada', action, worker: 'mailer' }
    expect(logger.lines.at(-1)).toMatchObject({ level: 'info', message: 'dashboard action done', data })
  })

  it('without a token is refused', async () => {
    const attack = setUp()
    await attack.visitor.token('mailer', operation)
    attack.expectRefused(await attack.visitor.post(path, FIELDS), 403, 'no valid token')
  })

  it('with a token but without its cookie is refused', async () => {
    const attack = setUp()
    const token = await attack.visitor.token('mailer', operation)
    const other = new Visitor(attack.dashboard)
    attack.expectRefused(await other.post(path, { ...FIELDS, token }), 403, 'no valid token')
  })

  it("with somebody else's token is refused", async () => {
    let by = 'eve'
    const attack = setUp(() => ({ by }))
    const token = await attack.visitor.token('mailer', operation)
    by = 'ada'
    attack.expectRefused(await attack.visitor.post(path, { ...FIELDS, token }), 403, 'no valid token')
  })

  it('with a cookie of its own making is refused', async () => {
    const attack = setUp()
    const token = await attack.visitor.token('mailer', operation)
    const cookie = `background-workers-form=${'a'.repeat(32)}`
    attack.expectRefused(await attack.visitor.post(path, { ...FIELDS, token }, { cookie }), 403, 'no valid token')
  })

  it.each([
    ['a foreign one', { origin: 'https://evil.test' }],
    ['that of a subdomain', { origin: 'http://evil.shop.test', 'sec-fetch-site': 'same-site' }],
    ['that of another port', { origin: 'http://shop.test:8080' }],
    ['that of nobody', { origin: 'null' }],
    ['none', { origin: '' }],
    ['one that can not be read', { origin: 'shop.test' }],
  ])('from an origin that is %s is refused, with a good token', async (_, headers) => {
    const attack = setUp()
    const token = await attack.visitor.token('mailer', operation)
    attack.expectRefused(await attack.visitor.post(path, { ...FIELDS, token }, headers), 403, 'foreign origin')
  })

  it.each(['GET', 'PUT', 'PATCH', 'DELETE'])('with the method %s is refused', async (method) => {
    const attack = setUp()
    const token = await attack.visitor.token('mailer', operation)
    const response = await attack.visitor.fetch(`${path}?${new URLSearchParams({ ...FIELDS, token }).toString()}`, {
      method,
    })
    expect(response.headers.get('allow')).toBe('POST')
    attack.expectRefused(response, 405, 'not a POST')
  })

  it.each(['application/json', 'text/plain', 'multipart/form-data; boundary=x', ''])(
    'with a body of the type "%s" is refused',
    async (type) => {
      const attack = setUp()
      const token = await attack.visitor.token('mailer', operation)
      const response = await attack.visitor.post(path, { ...FIELDS, token }, { 'content-type': type })
      attack.expectRefused(response, 415, 'not a form')
    },
  )

  it('as a read-only user is refused, and the page offers nothing', async () => {
    let readOnly = false
    const attack = setUp(() => ({ by: 'tim', readOnly }))
    const token = await attack.visitor.token('mailer', operation)
    readOnly = true
    attack.expectRefused(await attack.visitor.post(path, { ...FIELDS, token }), 403, 'read-only')
    const refusal = await attack.visitor.fetch(form)
    attack.expectRefused(refusal, 403, 'read-only', 2)
    expect(await refusal.text()).toContain('You may look, and change nothing.')
    expect(await attack.visitor.page('/workers/mailer')).not.toContain('data-operation')
  })

  it('by somebody who may do other things only is refused, and the page does not offer it', async () => {
    let forbidden = ''
    const attack = setUp((_request, asked) => asked !== forbidden && { by: 'tim' })
    const token = await attack.visitor.token('mailer', operation)
    forbidden = action
    attack.expectRefused(await attack.visitor.post(path, { ...FIELDS, token }), 403, 'not authorized')
    attack.expectRefused(await attack.visitor.fetch(form), 403, 'not authorized', 2)
    expect(await attack.visitor.page('/workers/mailer')).not.toContain(`data-operation="${operation}"`)
  })

  it('while authorize fails is refused, and the log has the error', async () => {
    const error = new Error('the session store is away')
    let isBroken = false
    const attack = setUp(() => {
      if (isBroken) throw error
      return { by: 'ada' }
    })
    const token = await attack.visitor.token('mailer', operation)
    isBroken = true
    attack.expectRefused(await attack.visitor.post(path, { ...FIELDS, token }), 403, 'authorize failed')
    expect(attack.logger.lines.at(-1)).toMatchObject({ level: 'warn', data: { err: error } })
  })

  it('with 10 MB is refused, announced or not', async () => {
    const attack = setUp()
    const token = await attack.visitor.token('mailer', operation)
    const huge = { ...FIELDS, token, note: 'x'.repeat(10_000_000) }
    const announced = { 'content-length': String(new URLSearchParams(huge).toString().length) }
    attack.expectRefused(await attack.visitor.post(path, huge, announced), 413, 'too large')
    attack.expectRefused(await attack.visitor.post(path, huge), 413, 'too large', 2)
  })

  it.each(HOSTILE_NAMES)('with the name %j is refused, and authorize does not see it', async (name) => {
    const seen: (string | undefined)[] = []
    const attack = setUp((_request, _action, worker) => {
      seen.push(worker)
      return { by: 'ada' }
    })
    const token = await attack.visitor.token('mailer', operation)
    attack.manager.workers.push(workerStatus(name))
    const target = `/workers/${encodeURIComponent(name.toWellFormed())}/${operation}`
    const response = await attack.visitor.post(target, { ...FIELDS, token })
    attack.expectRefused(response, 404, expect.stringMatching(/^no such (worker|page)$/))
    expect(await response.text()).not.toContain('alert(1)')
    expect([...response.headers].join()).not.toMatch(/stolen|alert/)
    expect(JSON.stringify(attack.logger.lines)).not.toMatch(/stolen|alert/)
    expect(seen).not.toContain(name)
  })

  it.each([
    `/workers/..%2f..%2fworkers%2fmailer/${operation}`,
    `/workers/%2e%2e/mailer/${operation}`,
    `/workers/mailer/x/../../${operation}`,
    `/workers/mailer/${operation}/`,
    `/workers/mailer%00/${operation}`,
    `//workers/mailer/${operation}`,
    `/workers/%ff/${operation}`,
  ])('on the path %s is refused', async (traversal) => {
    const attack = setUp()
    const token = await attack.visitor.token('mailer', operation)
    const url = `http://shop.test${traversal}`
    const response = await attack.visitor.post(url, { ...FIELDS, token })
    attack.expectRefused(response, 404, expect.stringMatching(/^no such (worker|page)$/))
  })

  it.each(HOSTILE_TEXTS)('that injects %s is refused for %s, in whichever field', async (_, holds, text) => {
    for (const field of ['note', 'runId', 'kind', 'expression', 'timeZone', 'period', 'of-no-form', text]) {
      const attack = setUp()
      const token = await attack.visitor.token('mailer', operation)
      const response = await attack.visitor.post(path, { ...FIELDS, [field]: text, token })
      attack.expectRefused(response, 400, `a field holds ${holds}`)
      expect([...response.headers].join()).not.toMatch(/stolen|alert/)
      expect(JSON.stringify(attack.logger.lines)).not.toMatch(/stolen|alert/)
      const page = await response.text()
      expectHarmless(page)
      expect(page).toMatch(new RegExp(`role="alert">&quot;.+&quot; must not hold ${holds}\\. .+</p>`))
      // What was typed is there to be mended.
      if (operation === 'pause' && field === 'note') expect(page).toContain(`value="${escaped(text)}"`)
    }
  })
})

it.each(['..', 'a/b', `it's "done" & a < b`])(
  'the note %j is handed on as it is, beside the sentence of the log',
  async (note) => {
    const { visitor, manager, logger } = setUp()
    await visitor.act('mailer', 'pause', { note })
    expect(manager.changes).toEqual([['pause', 'mailer', { note, by: 'ada' }]])
    expect(logger.lines.at(-1)).toMatchObject({ message: 'dashboard action done', data: { details: { note } } })
  },
)

it('an action that failed is logged as an error', async () => {
  const { visitor, manager, logger } = setUp()
  const response = await visitor.act('mailer', 'reschedule', { kind: 'cron', expression: 'often "&<' })
  expect(response.status).toBe(422)
  expect(manager.changes).toEqual([])
  expect(logger.lines.at(-1)).toMatchObject({ level: 'error', message: 'dashboard action failed' })
})

it('the run of another worker can not be cancelled by way of one that may be', async () => {
  const attack = setUp()
  attack.manager.workers.push(workerStatus('payroll', { activeRun: runRecord('payroll') }))
  const response = await attack.visitor.act('mailer', 'cancel', { runId: 'payroll.1' })
  attack.expectRefused(response, 409, 'That run has ended already.')
})

it('a worker that is no orphan can not be deleted', async () => {
  const attack = setUp()
  attack.manager.workers = [workerStatus('mailer')]
  const token = await attack.visitor.token('mailer', 'remove')
  attack.expectRefused(
    await attack.visitor.post('/workers/mailer/remove', { token }),
    409,
    'Only an orphan can be deleted: an instance declares this worker.',
  )
})

it('a worker that is unknown is refused', async () => {
  const attack = setUp()
  const token = await attack.visitor.token('mailer', 'trigger')
  attack.expectRefused(await attack.visitor.post('/workers/unknown/trigger', { token }), 404, 'no such worker')
})

describe('what a store holds', () => {
  it.each(HOSTILE_NAMES)('of the name %j is escaped, and not linked to', async (name) => {
    const { visitor } = setUp(undefined, [workerStatus(name, { state: 'stuck', activeRun: runRecord(name) })])
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
    const { visitor, manager } = setUp(
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
  const { visitor } = setUp()
  const attack = encodeURIComponent('"><script>alert(1)</script>')
  for (const name of ['q', 'state', 'sort', 'order', 'page', 'done']) {
    expectHarmless(await visitor.page(`/workers?${name}=${attack}`))
    expectHarmless(await visitor.page(`/workers/mailer?${name}=${attack}`))
  }
  expect(await visitor.page('/workers/mailer?done=constructor')).not.toContain('class="notice"')
})

describe('looking', () => {
  const PATHS: readonly (readonly [path: string, action: DashboardAction])[] = [
    ['/', 'view'],
    ['/workers', 'view'],
    ['/workers/mailer', 'view'],
    ['/workers/mailer/confirm/trigger', 'trigger'],
    ['/events', 'view'],
    ['/assets/x', 'view'],
    ['/nothing', 'view'],
  ]

  it.each(PATHS)('at %s is refused, and logged, for whom authorize refuses', async (path, action) => {
    const { visitor, audit, logger } = setUp(() => false)
    const response = await visitor.fetch(path)
    expect(response.status).toBe(403)
    expect(await response.text()).not.toContain('mailer')
    expect(audit).toMatchObject([{ action, outcome: 'refused', reason: 'not authorized' }])
    expect(logger.lines).toMatchObject([{ level: 'warn', message: 'dashboard action refused' }])
  })

  it.each([
    ['true', true],
    ['nothing', undefined],
    ['an empty name', { by: '' }],
    ['no name', { readOnly: false }],
    ['a name that is no text', { by: 7 }],
  ])('is refused when authorize gives %s', async (_, answer) => {
    const { visitor } = setUp(() => answer as never)
    expect((await visitor.fetch('/workers')).status).toBe(403)
  })

  it('gets the answer of the application, a redirect too', async () => {
    const { visitor } = setUp(() => Response.redirect('http://shop.test/login'))
    const response = await visitor.fetch('/workers')
    expect([response.status, response.headers.get('location')]).toEqual([302, 'http://shop.test/login'])
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
  })

  it('asks for the worker that it is about', async () => {
    const asked: unknown[] = []
    const { visitor } = setUp((_request, action, worker) => {
      asked.push([action, worker])
      return { by: 'tim', readOnly: true }
    })
    await visitor.fetch('/')
    await visitor.fetch('/workers/mailer')
    expect(asked).toEqual([
      ['view', undefined],
      ['view', 'mailer'],
    ])
  })
})

it('a form of 10 MB through a real socket is refused', async () => {
  const { dashboard, manager, audit } = setUp()
  const server = createServer(dashboard.nodeHandler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/workers/mailer/trigger',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: `http://127.0.0.1:${port}`,
        'transfer-encoding': 'chunked',
        connection: 'close',
      },
    })
    request.once('response', (response) => {
      resolve(response.statusCode)
      response.resume()
    })
    // The server may close while we still send.
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') reject(error)
    })
    request.end(`token=${'x'.repeat(10_000_000)}`)
  })
  expect(status).toBe(413)
  expect(manager.changes).toEqual([])
  expect(audit).toMatchObject([{ outcome: 'refused', reason: 'too large' }])
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

/** As it stands in a page. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

/** Whatever the text was, it has made no element, no attribute and no link that acts. */
function expectHarmless(page: string): void {
  expect(page).not.toMatch(/<script(?! src="[./]*assets\/dashboard-[0-9a-f]{12}\.js"><\/script>)/)
  expect(page).not.toMatch(/<img/)
  const tags = page.match(/<[a-z][^>]*>/gi) ?? []
  const withoutValues = tags.map((tag) => tag.replaceAll(/"[^"]*"/g, '""'))
  expect(withoutValues.filter((tag) => /\son\w+\s*=/i.test(tag))).toEqual([])
  expect(tags.filter((tag) => /(href|src|action)="\s*javascript:/i.test(tag))).toEqual([])
}

function setUp(authorize: Authorize = () => ({ by: 'ada' }), workers = [attackedWorker()]) {
  const manager = new StubManager(workers)
  const logger = new RecordingLogger()
  const audit: AuditEntry[] = []
  const dashboard = createDashboard({ manager, authorize, logger, onAudit: (entry) => audit.push(entry) })
  return {
    manager,
    logger,
    audit,
    dashboard,
    visitor: new Visitor(dashboard),
    /** Refused, nothing changed, and the log says so. */
    expectRefused(response: Response, status: number, reason: unknown, times = 1) {
      expect(response.status).toBe(status)
      expect(manager.changes).toEqual([])
      expect(audit).toHaveLength(times)
      expect(audit.at(-1)).toMatchObject({ outcome: 'refused', reason })
      const lines = logger.lines.filter(({ message }) => message === 'dashboard action refused')
      expect(lines).toHaveLength(times)
      expect(lines.at(-1)).toMatchObject({ level: 'warn', data: { reason } })
    },
  }
}

/** Stands so that each operation is possible. */
function attackedWorker(): WorkerStatus {
  const worker = workerStatus('mailer', {
    state: 'orphaned',
    paused: { since: new Date() },
    activeRun: runRecord('mailer'),
  })
  const override = { schedule: worker.schedule.declared, since: new Date() }
  return { ...worker, schedule: { ...worker.schedule, override } }
}
