import { describe, expect, it } from 'vitest'
import type { DashboardAction } from '../src/index.ts'
import { attackedDashboard } from './fixtures/attack.ts'

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
    const { visitor, audit, logger } = attackedDashboard(() => false)
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
    const { visitor } = attackedDashboard(() => answer as never)
    expect((await visitor.fetch('/workers')).status).toBe(403)
  })

  it('gets the answer of the application, a redirect too', async () => {
    const { visitor } = attackedDashboard(() => Response.redirect('http://shop.test/login'))
    const response = await visitor.fetch('/workers')
    expect([response.status, response.headers.get('location')]).toEqual([302, 'http://shop.test/login'])
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
  })

  it('gets the answer of the application each time, also when authorize gives the same response to all', async () => {
    const denied = new Response('Log in first', { status: 401, headers: { 'www-authenticate': 'Basic' } })
    const { visitor } = attackedDashboard(() => denied)
    for (const method of ['GET', 'HEAD', 'GET']) {
      const response = await visitor.fetch('/workers', { method })
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Basic'])
      expect(await response.text()).toBe(method === 'HEAD' ? '' : 'Log in first')
    }
    const answers = await Promise.all([visitor.page('/workers'), visitor.page('/workers/mailer')])
    expect(answers).toEqual(['Log in first', 'Log in first'])
  })

  it.each([
    ['an error', () => Response.error()],
    [
      'one that has been read',
      async () => {
        const response = new Response('Log in first', { status: 401 })
        await response.text()
        return response
      },
    ],
  ])('is refused when authorize gives a response that is %s, and the log says why', async (_, authorize) => {
    const attack = attackedDashboard(authorize)
    attack.expectRefused(await attack.visitor.fetch('/workers'), 503, 'authorize failed')
    expect(attack.logger.lines.at(-1)?.data).toMatchObject({ err: expect.any(Error) })
  })

  it('asks for the worker that it is about', async () => {
    const asked: unknown[] = []
    const { visitor } = attackedDashboard((_request, action, worker) => {
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

  it('at a worker that it may not see is refused, however the path writes its name', async () => {
    const { visitor } = attackedDashboard((_request, _action, worker) => worker !== 'mailer' && { by: 'tim' })
    expect((await visitor.fetch('/workers/mailer')).status).toBe(403)
    for (const path of ['/workers/%6dailer', '/workers/%256dailer', '/workers/mailer%20', '/%77orkers/mailer']) {
      const response = await visitor.fetch(path)
      expect([path, response.status]).toEqual([path, 404])
      expect(await response.text()).not.toContain('mailer')
    }
  })
})
