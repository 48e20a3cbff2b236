import { once } from 'node:events'
import { expect, inject, it } from 'vitest'
import { createClient } from './redis-client.ts'

it('a client that is disconnected again and again reconnects once, and leaves nothing behind', async () => {
  const client = createClient(inject('redisUrl'))
  await client.connect()
  const { stream } = client
  const listeners = stream.listenerCount('close')
  for (let count = 0; count < 20; count++) client.disconnect(true)
  expect(stream.listenerCount('close')).toBe(listeners + 1)
  await once(client, 'ready')
  expect(await client.ping()).toBe('PONG')

  client.disconnect()
  await once(client, 'end')
  const countTimers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const timers = countTimers()
  client.disconnect()
  expect(countTimers()).toBe(timers)
})
