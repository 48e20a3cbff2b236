import { every, periodicWorker } from '@background-workers/abstractions'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { ExpiredSessionCleaner } from './expired-session-cleaner.ts'
import { logger } from './logger.ts'
import { SessionStore } from './session-store.ts'

const sessions = new SessionStore()
sessions.open('Ada', 500)
sessions.open('Alan', 1_500)
sessions.open('Grace', 3_600_000)

const manager = new DefaultBackgroundWorkerManager({ logger })

// A worker is an object. It gets what it needs as any object does: through its constructor,
await manager.add(new ExpiredSessionCleaner(sessions))

// or, where it is made of a function, from the variables around it.
await manager.add(
  periodicWorker({
    name: 'session-counter',
    schedule: every('1s'),
    doWork({ logger }) {
      logger.info({ users: sessions.users }, 'open sessions')
    },
  }),
)

const onlyGraceIsLeft = Promise.withResolvers<void>()
manager.on('run-finished', () => {
  if (sessions.users.length === 1) onlyGraceIsLeft.resolve()
})

await manager.start()
await onlyGraceIsLeft.promise
// Lets the runs under way finish. Nothing keeps the process alive after it.
await manager.stop()

const runs = await manager.runs('expired-session-cleaner')
console.log(`\nThe cleaner ran ${runs.length} times. Still open: ${sessions.users.join(', ')}`)
