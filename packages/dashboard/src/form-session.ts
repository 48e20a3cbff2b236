import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { getCookie, setCookie } from 'hono/cookie'
import type { DashboardContext } from './dashboard-context.ts'

/** It holds a random text, and nothing about anybody. */
const COOKIE = 'background-workers-form'

/**
 * Makes the token that a form of this browser and this operator carries, and sees to the cookie that it belongs to.
 * Another site can neither read the token nor send the cookie.
 */
export function openForm(c: DashboardContext, secret: string): string {
  let session = readSession(c)
  if (session === undefined) {
    session = randomBytes(24).toString('base64url')
    setCookie(c, COOKIE, session, {
      path: '/',
      httpOnly: true,
      sameSite: 'Strict',
      secure: new URL(c.req.url).protocol === 'https:',
    })
  }
  return tokenOf(secret, session, c.get('operator').by)
}

/** Whether a form carries the token of its browser and operator. */
export function isOwnForm(c: DashboardContext, secret: string, form: URLSearchParams): boolean {
  const session = readSession(c)
  const token = form.get('token')
  if (session === undefined || token === null) return false
  const expected = Buffer.from(tokenOf(secret, session, c.get('operator').by))
  const given = Buffer.from(token)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** Anything but what we have made is replaced. */
function readSession(c: DashboardContext): string | undefined {
  const value = getCookie(c, COOKIE)
  return value !== undefined && /^[\w-]{32}$/.test(value) ? value : undefined
}

function tokenOf(secret: string, session: string, by: string): string {
  return createHmac('sha256', secret).update(`${session}\n${by}`).digest('base64url')
}
