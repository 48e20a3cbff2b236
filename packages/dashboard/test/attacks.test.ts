import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { OPERATIONS, type OperationName } from '../src/operations.ts'
import { HOSTILE_NAMES, HOSTILE_TEXTS, attackedDashboard, escaped, expectHarmless } from './fixtures/attack.ts'
import { runRecord, workerStatus } from './fixtures/stub-manager.ts'
import { Visitor } from './fixtures/visitor.ts'

const OPERATION_NAMES = Object.keys(OPERATIONS) as OperationName[]
/** A character as a path may write it, so that it is another text to whoever does not decode it. */
const encode = (character: string) => `%${character.charCodeAt(0).toString(16)}`
const FIELDS: Readonly<Record<string, string>> = { kind: 'every', period: '5m', note: 'because', runId: 'mailer.1' }

describe.each(OPERATION_NAMES)('an attack on %s', (operation) => {
  const path = `/workers/mailer/${operation}`
  const form = `/workers/mailer/confirm/${operation}`
  const { action } = OPERATIONS[operation]

  it('is possible at all: with everything in place it is done', async () => {
    const { visitor, manager, audit, logger } = attackedDashboard()
    const response = await visitor.act('mailer', operation, FIELDS)
    expect(response.status).toBe(303)
    expect(manager.changes).toHaveLength(1)
    expect(audit).toMatchObject([{ by: 'ada', action, worker: 'mailer', outcome: 'done' }])
    const data = { by: 'ada', action, worker: 'mailer' }
    expect(logger.lines.at(-1)).toMatchObject({ level: 'info', message: 'dashboard action done', data })
    expect(logger.lines.at(-1)?.data).not.toHaveProperty('reason')
  })

  it('without a token is refused', async () => {
    const attack = attackedDashboard()
    await attack.visitor.token('mailer', operation)
    attack.expectRefused(await attack.visitor.post(path, FIELDS), 403, 'no valid token')
  })

  it('with a token but without its cookie is refused', async () => {
    const attack = attackedDashboard()
    const token = await attack.visitor.token('mailer', operation)
    const other = new Visitor(attack.dashboard)
    attack.expectRefused(await other.post(path, { ...FIELDS, token }), 403, 'no valid token')
  })

  it("with somebody else's token is refused", async () => {
    let by = 'eve'
    const attack = attackedDashboard(() => ({ by }))
    const token = await attack.visitor.token('mailer', operation)
    by = 'ada'
    attack.expectRefused(await attack.visitor.post(path, { ...FIELDS, token }), 403, 'no valid token')
  })

  it('with a cookie of its own making is refused', async () => {
    const attack = attackedDashboard()
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
    const attack = attackedDashboard()
    const token = await attack.visitor.token('mailer', operation)
    attack.expectRefused(await attack.visitor.post(path, { ...FIELDS, token }, headers), 403, 'foreign origin')
  })

  it.each(['GET', 'PUT', 'PATCH', 'DELETE'])('with the method %s is refused', async (method) => {
    const attack = attackedDashboard()
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
      const attack = attackedDashboard()
      const token = await attack.visitor.token('mailer', operation)
      const response = await attack.visitor.post(path, { ...FIELDS, token }, { 'content-type': type })
      attack.expectRefused(response, 415, 'not a form')
    },
  )

  it('as a read-only user is refused, and the page offers nothing', async () => {
    let readOnly = false
    const attack = attackedDashboard(() => ({ by: 'tim', readOnly }))
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
    const attack = attackedDashboard((_request, asked) => asked !== forbidden && { by: 'tim' })
    const token = await attack.visitor.token('mailer', operation)
    forbidden = action
    attack.expectRefused(await attack.visitor.post(path, { ...FIELDS, token }), 403, 'not authorized')
    attack.expectRefused(await attack.visitor.fetch(form), 403, 'not authorized', 2)
    expect(await attack.visitor.page('/workers/mailer')).not.toContain(`data-operation="${operation}"`)
  })

  it.each([
    ['the name of the worker', `/workers/${encode('m')}ailer/${operation}`],
    ['a letter within it', `/workers/mai${encode('l')}er/${operation}`],
    ['what is done', `/workers/mailer/${encode(operation.charAt(0))}${operation.slice(1)}`],
    ['both', `/workers/${encode('m')}ailer/${encode(operation.charAt(0))}${operation.slice(1)}`],
  ])('by a read-only user who percent-encodes %s is refused', async (_, encoded) => {
    let readOnly = false
    const attack = attackedDashboard(() => ({ by: 'tim', readOnly }))
    const token = await attack.visitor.token('mailer', operation)
    readOnly = true
    attack.expectRefused(await attack.visitor.post(encoded, { ...FIELDS, token }), 404, 'no such page')
  })

  it.each([
    `/workers/${encode('m')}ailer/confirm/${operation}`,
    `/workers/mailer/${encode('c')}onfirm/${operation}`,
    `/workers/mailer/confirm/${encode(operation.charAt(0))}${operation.slice(1)}`,
  ])('gives a read-only user no form at %s', async (encoded) => {
    const { visitor } = attackedDashboard(() => ({ by: 'tim', readOnly: true }))
    const response = await visitor.fetch(encoded)
    expect([response.status, response.headers.getSetCookie()]).toEqual([404, []])
    expect(await response.text()).not.toContain('<form')
  })

  it('while authorize fails is refused, and the log has the error', async () => {
    const error = new Error('the session store is away')
    let isBroken = false
    const attack = attackedDashboard(() => {
      if (isBroken) throw error
      return { by: 'ada' }
    })
    const token = await attack.visitor.token('mailer', operation)
    isBroken = true
    attack.expectRefused(await attack.visitor.post(path, { ...FIELDS, token }), 503, 'authorize failed')
    expect(attack.logger.lines.at(-1)).toMatchObject({ level: 'warn', data: { err: error } })
  })

  it('with 10 MB is refused, announced or not', async () => {
    const attack = attackedDashboard()
    const token = await attack.visitor.token('mailer', operation)
    const huge = { ...FIELDS, token, note: 'x'.repeat(10_000_000) }
    const announced = { 'content-length': String(new URLSearchParams(huge).toString().length) }
    attack.expectRefused(await attack.visitor.post(path, huge, announced), 413, 'too large')
    attack.expectRefused(await attack.visitor.post(path, huge), 413, 'too large', 2)
  })

  it.each(HOSTILE_NAMES)('with the name %j is refused, and authorize does not see it', async (name) => {
    const seen: (string | undefined)[] = []
    const attack = attackedDashboard((_request, _action, worker) => {
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
    const attack = attackedDashboard()
    const token = await attack.visitor.token('mailer', operation)
    const url = `http://shop.test${traversal}`
    const response = await attack.visitor.post(url, { ...FIELDS, token })
    attack.expectRefused(response, 404, expect.stringMatching(/^no such (worker|page)$/))
  })

  it.each(HOSTILE_TEXTS)('that injects %s is refused for %s, in whichever field', async (_, holds, text) => {
    for (const field of ['note', 'runId', 'kind', 'expression', 'timeZone', 'period', 'offset', 'of-no-form', text]) {
      const attack = attackedDashboard()
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

it('an action that failed is logged as an error', async () => {
  const { visitor, manager, logger } = attackedDashboard()
  const response = await visitor.act('mailer', 'reschedule', { kind: 'cron', expression: 'often "&<' })
  expect(response.status).toBe(422)
  expect(manager.changes).toEqual([])
  expect(logger.lines.at(-1)).toMatchObject({ level: 'error', message: 'dashboard action failed' })
})

it('the run of another worker can not be cancelled by way of one that may be', async () => {
  const attack = attackedDashboard()
  attack.manager.workers.push(workerStatus('payroll', { activeRun: runRecord('payroll') }))
  const response = await attack.visitor.act('mailer', 'cancel', { runId: 'payroll.1' })
  attack.expectRefused(response, 409, 'That run has ended already.')
})

it('a worker that is no orphan can not be deleted', async () => {
  const attack = attackedDashboard()
  attack.manager.workers = [workerStatus('mailer')]
  const token = await attack.visitor.token('mailer', 'remove')
  attack.expectRefused(
    await attack.visitor.post('/workers/mailer/remove', { token }),
    409,
    'Only an orphan can be deleted: an instance declares this worker.',
  )
})

it('a worker that is unknown is refused', async () => {
  const attack = attackedDashboard()
  const token = await attack.visitor.token('mailer', 'trigger')
  attack.expectRefused(await attack.visitor.post('/workers/unknown/trigger', { token }), 404, 'no such worker')
})

it('a form of 10 MB through a real socket is refused', async () => {
  const { dashboard, manager, audit } = attackedDashboard()
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
