import { type Server, connect, createServer } from 'node:net'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { currentHoldings, findLeaks, waitForNoLeaks } from './leaks.ts'

describe('findLeaks', () => {
  it('names what there is more of than before, and how much', () => {
    expect(findLeaks({ PipeWrap: 3, Timeout: 1 }, { PipeWrap: 3, Timeout: 3, TCPSocketWrap: 1 })).toEqual([
      '2 Timeout',
      '1 TCPSocketWrap',
    ])
  })

  it('says nothing of what is the same or less', () => {
    expect(findLeaks({ PipeWrap: 3, Timeout: 1, 'exit listener': 2 }, { PipeWrap: 3, 'exit listener': 1 })).toEqual([])
  })
})

describe('currentHoldings', () => {
  it('sees a timer, and no longer when it is cleared', () => {
    const before = currentHoldings()
    const timer = setTimeout(() => {}, 60_000)
    expect(findLeaks(before, currentHoldings())).toEqual(['1 Timeout'])
    clearTimeout(timer)
    expect(findLeaks(before, currentHoldings())).toEqual([])
  })

  it('sees an interval', () => {
    const before = currentHoldings()
    const timer = setInterval(() => {}, 60_000)
    expect(findLeaks(before, currentHoldings())).toEqual(['1 Timeout'])
    clearInterval(timer)
  })

  it.each(['SIGINT', 'SIGTERM', 'unhandledRejection', 'beforeExit'] as const)(
    'sees a listener for %s',
    (event: string) => {
      const before = currentHoldings()
      const listener = () => {}
      process.on(event, listener)
      expect(findLeaks(before, currentHoldings())).toContain(`1 ${event} listener`)
      process.off(event, listener)
      expect(findLeaks(before, currentHoldings()).filter((leak) => leak.endsWith('listener'))).toEqual([])
    },
  )

  it('sees a server and its sockets until they are closed', async () => {
    const before = currentHoldings()
    const server = createServer()
    const port = await listen(server)
    const socket = connect(port, '127.0.0.1')
    const [[accepted]] = await Promise.all([once(server, 'connection'), once(socket, 'connect')])
    expect(findLeaks(before, currentHoldings())).toEqual(
      expect.arrayContaining([expect.stringMatching(/^1 TCPServerWrap$/), expect.stringMatching(/^2 TCPSocketWrap$/)]),
    )
    socket.destroy()
    accepted.destroy()
    server.close()
    expect(await waitForNoLeaks(before, 30_000)).toEqual([])
  })
})

describe('waitForNoLeaks', () => {
  it('gives what closes a little later the time to close', async () => {
    const before = currentHoldings()
    const listener = () => {}
    process.on('SIGHUP', listener)
    setTimeout(() => process.off('SIGHUP', listener), 30)
    expect(await waitForNoLeaks(before, 30_000)).toEqual([])
  })

  it('gives up on what stays', async () => {
    const before = currentHoldings()
    const listener = () => {}
    process.on('SIGHUP', listener)
    expect(await waitForNoLeaks(before, 50)).toContain('1 SIGHUP listener')
    process.off('SIGHUP', listener)
  })
})

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as { port: number }).port
}
