import type { UserRepository } from '../src/user-repository.ts'

/** Users in memory, and a database that can be away or slow. */
export class FakeUserRepository implements UserRepository {
  readonly passive: string[] = []
  /** How many of the next calls fail. */
  failures = 0
  /** What is awaited before a user is made passive: a promise that never settles is a database that hangs. */
  beforeEach: (name: string) => Promise<void> | void = () => {}
  readonly #lastLogins: Map<string, Date>

  constructor(lastLogins: Readonly<Record<string, string>> = {}) {
    this.#lastLogins = new Map(Object.entries(lastLogins).map(([name, date]) => [name, new Date(date)]))
  }

  async inactiveSince(date: Date): Promise<string[]> {
    if (this.failures > 0) {
      this.failures--
      throw new Error('the database is away')
    }
    const names = [...this.#lastLogins.keys()].filter((name) => this.#lastLogins.get(name)! < date)
    return names.filter((name) => !this.passive.includes(name))
  }

  async makePassive(name: string): Promise<void> {
    await this.beforeEach(name)
    this.passive.push(name)
  }
}
