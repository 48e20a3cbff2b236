import { describe, expect, it } from 'vitest'
import { StubManager } from '../test/fixtures/stub-manager.ts'
import { Visitor } from '../test/fixtures/visitor.ts'
import { type AuditEntry, type DashboardOptions, createDashboard } from './index.ts'
import { fillOptions } from './options.ts'

const manager = new StubManager()
const authorize = () => ({ by: 'ada' })

describe('createDashboard', () => {
  it('throws without authorize, and says what to write', () => {
    expect(() => createDashboard({ manager } as never as DashboardOptions)).toThrow(
      /"authorize" is missing[\s\S]*createDashboard\(\{[\s\S]*async authorize\(request, action\)/,
    )
    expect(() => createDashboard(undefined as never)).toThrow('"authorize" is missing')
    expect(manager.listenerCount).toBe(0)
  })

  it('takes undefined for an option that is not given', () => {
    const none = {
      basePath: undefined,
      title: undefined,
      errors: undefined,
      secret: undefined,
      allowedOrigins: undefined,
      logger: undefined,
      onAudit: undefined,
      pollIntervalMs: undefined,
      maxStreams: undefined,
    } satisfies Record<Exclude<keyof DashboardOptions, 'manager' | 'authorize'>, undefined>
    const filled = fillOptions({ manager, authorize, ...none })
    expect(filled.secret).toHaveLength(43)
    expect(filled).toEqual({ ...fillOptions({ manager, authorize }), secret: filled.secret })
  })

  it.each<[string, object, string]>([
    ['a manager that is none', { manager: {} }, '"manager" must have the method list(), get()'],
    ['an authorize that is no function', { authorize: true }, '"authorize" must be a function, got true.'],
    [
      'a base path that ends with a slash',
      { basePath: '/dashboard/' },
      '"basePath" must be a path such as "/dashboard"',
    ],
    ['a base path without a slash', { basePath: 'dashboard' }, '"basePath" must be a path'],
    ['a short secret', { secret: 'secret' }, '"secret" must be a text of 32 characters or more.'],
    ['an origin with a path', { allowedOrigins: ['https://a.test/'] }, '"allowedOrigins" must be a list of origins'],
    ['an unknown key', { path: '/x' }, 'unknown option "path"'],
    ['a word for errors that is none', { errors: 'hidden' }, "must be 'full' or 'redacted'"],
  ])('refuses %s', (_, options, message) => {
    expect(() => createDashboard({ manager, authorize, ...options } as DashboardOptions)).toThrow(message)
  })

  it('takes what an instance of a settings class inherits or has a getter for', async () => {
    const audit: unknown[] = []
    class Settings implements DashboardOptions {
      readonly manager = manager
      readonly #by = 'grace'
      get authorize() {
        return () => ({ by: this.#by, readOnly: true })
      }
      get title() {
        return 'Shop'
      }
      get basePath() {
        return '/jobs'
      }
      onAudit(entry: AuditEntry) {
        audit.push(entry)
      }
    }
    const visitor = new Visitor(createDashboard(new Settings()))
    const page = await visitor.page('/jobs/')
    expect(page).toContain('<title>Overview · Shop</title>')
    expect(page).toContain('grace')
    await visitor.fetch('/jobs/workers/mailer/confirm/pause')
    expect(audit).toMatchObject([{ by: 'grace', reason: 'read-only' }])
  })

  it('does not show a secret that it refuses', () => {
    expect(() => createDashboard({ manager, authorize, secret: 'my-short-secret' })).toThrow(
      /^(?![\s\S]*my-short-secret)/,
    )
  })
})
