import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ManualClock } from './testing/manual-clock.ts'
import { waitFor, waitForAnswer } from './wait-for.ts'

describe('waitFor', () => {
  it.each([
    ['resolves', async () => 1],
    ['rejects', () => Promise.reject(new Error('x'))],
  ])('says true for a promise that %s', async (_how, work) => {
    const clock = new ManualClock()
    expect(await waitFor(work(), 100, clock)).toBe(true)
    expect(clock.timerCount).toBe(0)
  })

  it('says false after the time', async () => {
    const clock = new ManualClock()
    const result = waitFor(new Promise(() => {}), 100, clock)
    await clock.advance(100)
    expect(await result).toBe(false)
  })
})

describe('waitForAnswer', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('says true for an answer that has arrived in time, though the event loop was blocked until that was over', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const [[socket]] = await Promise.all([once(server, 'connection'), once(client, 'connect')])
    const isAnswered = waitForAnswer(once(client, 'data'), 20)
    socket.end('PONG')
    const blockedUntil = performance.now() + 100
    while (performance.now() < blockedUntil);
    expect(await isAnswered).toBe(true)
    client.end()
    server.close()
    await once(server, 'close')
  })

  it('says false for one that does not come, also while a test has faked setImmediate', async () => {
    vi.useFakeTimers({ toFake: ['setImmediate'] })
    expect(await waitForAnswer(new Promise(() => {}), 10)).toBe(false)
  })
})
