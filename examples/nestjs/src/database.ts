import type { OnApplicationShutdown } from '@nestjs/common'

/** A database in memory, which counts who is connected. */
export class Database implements OnApplicationShutdown {
  readonly lastLogins = new Map([
    ['Ada', new Date()],
    ['Alan', new Date('2000-01-01')],
  ])
  readonly passiveUsers: string[] = []
  connections = 0
  openConnections = 0
  isClosed = false

  /** Not `onModuleDestroy` or `beforeApplicationShutdown`: then the workers are not stopped yet, and their runs need it. */
  onApplicationShutdown(): void {
    this.isClosed = true
  }
}
