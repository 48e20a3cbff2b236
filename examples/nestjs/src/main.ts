import 'reflect-metadata'
import type { IBackgroundWorkerManager } from '@background-workers/abstractions'
import { ConsoleLogger } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { AppModule } from './app-module.ts'
import { BACKGROUND_WORKER_MANAGER } from './background-workers/background-workers-module.ts'
import { Database } from './database.ts'

// With a server it is `NestFactory.create(AppModule)`, and nothing about workers differs.
const app = await NestFactory.createApplicationContext(AppModule, {
  logger: new ConsoleLogger({ json: !process.stdout.isTTY }),
})
// Ctrl+C and SIGTERM let the runs under way finish.
app.enableShutdownHooks()

if (!process.stdout.isTTY) {
  const manager = app.get<IBackgroundWorkerManager>(BACKGROUND_WORKER_MANAGER)
  const { promise: eachHasRunTwice, resolve } = Promise.withResolvers<void>()
  manager.on('run-finished', async () => {
    const workers = await manager.list()
    const runs = await Promise.all(workers.map(({ name }) => manager.runs(name)))
    if (runs.every((records) => records.filter(({ outcome }) => outcome === 'succeeded').length >= 2)) resolve()
  })
  await eachHasRunTwice
  const newsletter = await manager.get('newsletter')
  await app.close()

  const { passiveUsers, connections, openConnections } = app.get(Database)
  console.log(`
passive users   ${passiveUsers.join(', ')}
connections     ${connections} opened, one for each run; ${openConnections} left open
newsletter      ${newsletter?.lastSuccess?.outcome} at attempt ${newsletter?.lastSuccess?.attempts}
manager         ${manager.state}`)
}
