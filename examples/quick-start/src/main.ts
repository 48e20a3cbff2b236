import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApplication, runApplication } from '@background-workers/hosting'
import { asValue, createContainer } from 'awilix'
import { AppModule } from './app-module.ts'
import { createLogger } from './logger.ts'
import { seedLogFolder, seedUsers } from './simulated-outside-world.ts'
import { stopAfterRuns } from './stop-after-runs.ts'
import { summarize } from './summary.ts'

// Everything that this example writes is in one temporary folder, which is deleted at the end.
await using folder = await mkdtempDisposable(join(tmpdir(), 'quick-start-'))
const databaseFile = join(folder.path, 'users.db')
const logFolderPath = join(folder.path, 'logs')
await seedUsers(databaseFile)
await seedLogFolder(logFolderPath)

const logger = createLogger()
const container = createContainer().register({
  databaseFile: asValue(databaseFile),
  logFolderPath: asValue(logFolderPath),
})
const application = await createApplication(AppModule, { container, logger })

if (process.stdout.isTTY) logger.info('press Ctrl+C to stop')
else stopAfterRuns(application, 3)

// Starts the workers, waits for Ctrl+C (or a stop), lets the runs under way finish, and sets the exit code.
await runApplication(application)

console.log(await summarize(application))
await container.dispose()
