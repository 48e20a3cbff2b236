import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { withClient } from './client.ts'
import { sharedRedis, startTcpProxy, type TcpProxy } from './index.ts'

let proxy: TcpProxy
let client: Redis
let closes: number[]

beforeEach(async () => {
  proxy = await startTcpProxy((await sharedRedis()).url)
  client = new Redis(proxy.url, { retryStrategy: () => 20, maxRetriesPerRequest: null, disconnectTimeout: 100 })
  // a list of this client's own: an earlier one may close late
  const times: number[] = []
  closes = times
  client.on('close', () => times.push(performance.now()))
  client.on('error', () => {})
  await client.ping()
})

afterEach(async () => {
  client.disconnect()
  await proxy.close()
})

describe('TcpProxy', () => {
  it('passes on what is said, however much', async () => {
    const text = 'x'.repeat(5_000_000)
    expect(await client.echo(text)).toBe(text)
  })

  it('keeps the credentials and the database of the target in its url', async () => {
    const other = await startTcpProxy('redis://user:secret@localhost:6379/3')
    expect(other.url).toMatch(/^redis:\/\/user:secret@127\.0\.0\.1:\d+\/3$/)
    expect(other.url).not.toContain(':6379')
    await other.close()
  })

  it('cuts connections, after which clients come back', async () => {
    proxy.cut()
    await expect.poll(() => closes.length).toBe(1)
    expect(await client.ping()).toBe('PONG')
  })

  it('refuses new connections, leaves the old ones, and accepts again on the same port', async () => {
    const { url } = proxy
    proxy.refuse()
    await expect(withClient(url, (other) => other.ping())).rejects.toThrow('ECONNREFUSED')
    expect(await client.ping()).toBe('PONG')

    proxy.cut()
    await expect.poll(() => closes.length).toBeGreaterThan(2)
    await proxy.accept()
    expect(proxy.url).toBe(url)
    expect(await client.ping()).toBe('PONG')
  })

  it('delays each direction, and keeps the order when the delay ends', async () => {
    proxy.delay(100)
    const startedAt = performance.now()
    const answers = [client.echo('first')]
    expect(await answers[0]).toBe('first')
    // 1 ms less: timers round down
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(199)

    answers.push(client.echo('second'))
    await new Promise((resolve) => setTimeout(resolve, 20))
    proxy.delay(0)
    answers.push(client.echo('third'))
    expect(await Promise.all(answers)).toEqual(['first', 'second', 'third'])
  })

  it('freezes without closing anything, and thaws without losing anything', async () => {
    proxy.freeze()
    const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
    await once(socket, 'connect')
    let answered = 0
    const answers = [client.echo('one'), client.echo('two')]
    for (const answer of answers) void answer.then(() => (answered += 1))
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect({ answered, closes, isOpen: !socket.closed }).toEqual({ answered: 0, closes: [], isOpen: true })

    proxy.thaw()
    expect(await Promise.all(answers)).toEqual(['one', 'two'])
    socket.write('PING\r\n')
    // a Redis with a password answers too, with an error
    await once(socket, 'data')
    socket.destroy()
  })

  it('cuts and closes also while it is frozen', async () => {
    proxy.freeze()
    proxy.cut()
    await expect.poll(() => closes.length).toBe(1)
    await proxy.close()
    await expect(proxy.close()).resolves.toBeUndefined()
  })

  it('closes although an end takes nothing of what was written to it', async () => {
    const deaf = createServer({ pauseOnConnect: true })
    deaf.listen(0, '127.0.0.1')
    await once(deaf, 'listening')
    const { port } = deaf.address() as AddressInfo
    const other = await startTcpProxy(`redis://127.0.0.1:${port}`)
    const speaker = connect(Number(new URL(other.url).port), '127.0.0.1')
    speaker.on('error', () => {})
    const [heard] = (await Promise.all([once(deaf, 'connection'), once(speaker, 'connect')]))[0]
    heard.on('error', () => {})
    // More than the buffers of the machine hold.
    for (let count = 0; count < 64; count++) speaker.write(Buffer.alloc(1_000_000))
    await new Promise((resolve) => setTimeout(resolve, 100))
    await expect(other.close()).resolves.toBeUndefined()
    speaker.destroy()
    heard.destroy()
    deaf.close()
    await once(deaf, 'close')
  })

  it('closes although it is just passing on an end', async () => {
    const target = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).resume())
    target.listen(0, '127.0.0.1')
    await once(target, 'listening')
    const { port } = target.address() as AddressInfo
    const other = await startTcpProxy(`redis://127.0.0.1:${port}`)
    const speaker = connect(Number(new URL(other.url).port), '127.0.0.1')
    speaker.on('error', () => {})
    const [[heard]] = await Promise.all([once(target, 'connection'), once(speaker, 'connect')])
    other.delay(200)
    speaker.end()
    await new Promise((resolve) => setTimeout(resolve, 100))
    other.freeze()
    await new Promise((resolve) => setTimeout(resolve, 200))
    // It ends the connection to the target, and resets it in the same moment.
    other.thaw()
    await expect(other.close()).resolves.toBeUndefined()
    speaker.destroy()
    heard.destroy()
    target.close()
    await once(target, 'close')
  })

  it('passes on the last words of a target that hangs up', async () => {
    const target = createServer((socket) => socket.on('error', () => {}).end('bye')).listen(0, '127.0.0.1')
    await once(target, 'listening')
    const other = await startTcpProxy(`redis://127.0.0.1:${(target.address() as AddressInfo).port}`)
    other.delay(50)
    const socket = connect(Number(new URL(other.url).port), '127.0.0.1')
    const [words] = await once(socket, 'data')
    expect(String(words)).toBe('bye')
    await once(socket, 'close')
    await other.close()
    target.close()
  })

  it('resets its clients when the target is down', async () => {
    const target = createServer().listen(0, '127.0.0.1')
    await once(target, 'listening')
    const { port } = target.address() as AddressInfo
    target.close()
    await once(target, 'close')
    const other = await startTcpProxy(`redis://127.0.0.1:${port}`)
    await expect(withClient(other.url, (visitor) => visitor.ping())).rejects.toThrow(/ECONNRESET|closed/)
    await other.close()
  })
})
