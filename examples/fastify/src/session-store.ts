/** Who is logged in, and until when. */
export class SessionStore {
  readonly #expiresAt = new Map<string, number>()

  get users(): string[] {
    return [...this.#expiresAt.keys()]
  }

  open(user: string, expiresAt: Date): void {
    this.#expiresAt.set(user, expiresAt.getTime())
  }

  /** Closes the sessions that have expired by then, and gives their users. */
  closeExpired(by: Date): string[] {
    const expired = this.users.filter((user) => this.#expiresAt.get(user)! <= by.getTime())
    for (const user of expired) this.#expiresAt.delete(user)
    return expired
  }
}
