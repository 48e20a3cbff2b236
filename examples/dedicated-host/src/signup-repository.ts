import { DatabaseSync } from 'node:sqlite'

/** A person who has signed up. */
export interface Signup {
  readonly name: string
  /** The id of the process that sent the welcome mail; none as long as nobody has. */
  readonly welcomedBy: number | null
}

/** Who has signed up, in a SQLite file that both processes open. */
export class SignupRepository {
  readonly #database: DatabaseSync

  constructor({ databaseFile }: { databaseFile: string }) {
    // The other process may be writing.
    this.#database = new DatabaseSync(databaseFile, { timeout: 5_000 })
    this.#database.exec('CREATE TABLE IF NOT EXISTS signups (name TEXT PRIMARY KEY, welcomedBy INTEGER) STRICT')
  }

  add(name: string): void {
    this.#database.prepare('INSERT INTO signups (name) VALUES (?)').run(name)
  }

  list(): Signup[] {
    return this.#database.prepare('SELECT name, welcomedBy FROM signups ORDER BY rowid').all() as unknown as Signup[]
  }

  markWelcomed(name: string, processId: number): void {
    this.#database.prepare('UPDATE signups SET welcomedBy = ? WHERE name = ?').run(processId, name)
  }

  close(): void {
    this.#database.close()
  }
}
