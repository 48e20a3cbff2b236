// Our packages and nothing else: no container, no logger, no Redis.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  every,
} from '@background-workers/abstractions'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { createHealthHandler } from '@background-workers/hosting/health'

class OldLogCleaner extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'old-log-cleaner'
  readonly schedule = every('20ms')
  readonly slots: number[] = []

  async doWork({ scheduledFor }: PeriodicBackgroundWorkerContext): Promise<void> {
    this.slots.push(scheduledFor.getTime())
    if (this.slots.length === 3) done()
  }
}

let done = () => {}
const enough = new Promise<void>((resolve) => {
  done = resolve
})
const cleaner = new OldLogCleaner()
await using manager = new DefaultBackgroundWorkerManager()
await manager.add(cleaner)
await manager.start()
await enough
const health = createServer(createHealthHandler(manager)).listen(0, '127.0.0.1')
await once(health, 'listening')
const { status: live } = await fetch(`http://127.0.0.1:${(health.address() as AddressInfo).port}/live`)
health.close()
health.closeAllConnections()
const { abandoned } = await manager.stop()
console.log(JSON.stringify({ runs: cleaner.slots.length >= 3, live, abandoned }))
