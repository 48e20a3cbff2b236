import type { Database } from './database.ts'

/** Request-scoped: each attempt of a run has its own, with its own connection. */
export class UserRepository implements Disposable {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
    database.connections++
    database.openConnections++
  }

  /** Makes passive who has not logged in since, and gives their names. */
  async makeInactivePassive(since: Date): Promise<string[]> {
    const { lastLogins, passiveUsers } = this.#database
    const inactive = [...lastLogins.keys()].filter(
      (name) => lastLogins.get(name)! < since && !passiveUsers.includes(name),
    )
    passiveUsers.push(...inactive)
    return inactive
  }

  [Symbol.dispose](): void {
    this.#database.openConnections--
  }
}
