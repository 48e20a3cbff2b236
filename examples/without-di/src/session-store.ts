/** Who is logged in, and until when. */
export class SessionStore {
  readonly #expiresAt = new Map<string, number>()

  get users(): string[] {
    return [...this.#expiresAt.keys()]
  }

  open(user: string, lifetimeMs: number): void {
    this.#expiresAt.set(user, Date.now() + lifetimeMs)
  }

  /** Closes the sessions that have expired, and gives their users. */
  closeExpired(): string[] {
    const now = Date.now()
    const expired = this.users.filter((user) => this.#expiresAt.get(user)! <= now)
    for (const user of expired) this.#expiresAt.delete(user)
    return expired
  }
}
