import { DatabaseSync } from 'node:sqlite'

/** Passive is who has not logged in for 30 days. */
export type UserStatus = 'active' | 'passive'

const INACTIVE_AFTER_MS = 30 * 86_400_000
const IS_INACTIVE = `status = 'active' AND last_login_at < ?`
const cutoff = () => new Date(Date.now() - INACTIVE_AFTER_MS).toISOString()

/** The users, in a SQLite file. */
export class UserRepository {
  readonly #database: DatabaseSync

  constructor({ databaseFile }: { databaseFile: string }) {
    this.#database = new DatabaseSync(databaseFile)
    this.#database.exec(`
      CREATE TABLE IF NOT EXISTS users (
        name TEXT PRIMARY KEY,
        last_login_at TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'active'
      ) STRICT
    `)
  }

  async add(name: string, lastLoginAt: Date): Promise<void> {
    this.#database.prepare('INSERT INTO users (name, last_login_at) VALUES (?, ?)').run(name, lastLoginAt.toISOString())
  }

  /** Makes passive who has not logged in for 30 days, and gives their names. */
  async updateInactiveUserStatuses(): Promise<string[]> {
    return this.#names(`UPDATE users SET status = 'passive' WHERE ${IS_INACTIVE} RETURNING name`, cutoff())
  }

  /** Whom the next `updateInactiveUserStatuses` would make passive. */
  async inactiveNames(): Promise<string[]> {
    return this.#names(`SELECT name FROM users WHERE ${IS_INACTIVE} ORDER BY rowid`, cutoff())
  }

  async namesOf(status: UserStatus): Promise<string[]> {
    return this.#names('SELECT name FROM users WHERE status = ? ORDER BY rowid', status)
  }

  close(): void {
    this.#database.close()
  }

  #names(sql: string, parameter: string): string[] {
    return this.#database
      .prepare(sql)
      .all(parameter)
      .map((row) => String(row.name))
  }
}
