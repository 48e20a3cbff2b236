import { randomBytes } from 'node:crypto'
import type { Authorize, Operator } from '@background-workers/dashboard'

const COOKIE = 'example-session'

/** Who is logged in. Stands for the login that your application has. */
export class Sessions {
  readonly #operators = new Map<string, Operator>()

  /** Gives the key by which a browser says who it is. */
  open(operator: Operator): string {
    const key = randomBytes(16).toString('hex')
    this.#operators.set(key, operator)
    return key
  }

  /** The cookie for a key, or nothing for one that nobody has. */
  cookieFor(key: string): string | undefined {
    return this.#operators.has(key) ? `${COOKIE}=${key}; Path=/; HttpOnly; SameSite=Lax` : undefined
  }

  /** As the dashboard takes it: who it is, or a refusal. */
  readonly authorize: Authorize = (request) => {
    const [, key = ''] = new RegExp(`(?:^|; )${COOKIE}=([0-9a-f]+)`).exec(request.headers.get('cookie') ?? '') ?? []
    return this.#operators.get(key) ?? new Response('Open the link that the terminal shows.', { status: 401 })
  }
}
