import { once } from 'node:events'
import { expect, inject, it, vi } from 'vitest'
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

it('a client writes what is sent in one turn in pieces of 8, in its order, also over a connection that is new', async () => {
  const client = createClient(inject('redisUrl'))
  await client.connect()
  for (const connection of ['first', 'second']) {
    // Also the constructor's own commands have been answered, so nothing else is written.
    await client.ping()
    const parts = vi.spyOn(client.stream, '_write')
    const pieces = vi.spyOn(client.stream as Required<typeof client.stream>, '_writev')
    const texts = Array.from({ length: 20 }, (_, index) => `${connection} ${index}`)
    expect(await Promise.all(texts.map((text) => client.echo(text)))).toEqual(texts)
    expect(pieces.mock.calls.map(([chunks]) => chunks.length)).toEqual([8, 8, 4])
    expect(parts).not.toHaveBeenCalled()
    client.disconnect(true)
    await once(client, 'ready')
  }
  client.disconnect()
  await once(client, 'end')
})
