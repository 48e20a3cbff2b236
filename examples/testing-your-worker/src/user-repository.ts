/** What the worker needs of the users. In the application it is a database; in a test it need not be one. */
export interface UserRepository {
  /** The names of the active users who have not logged in since. */
  inactiveSince(date: Date): Promise<string[]>
  makePassive(name: string): Promise<void>
}
