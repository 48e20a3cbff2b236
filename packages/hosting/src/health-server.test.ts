import { InvalidOptionsError } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { openHealthServer } from './health-server.ts'

describe('openHealthServer', () => {
  it('says which port is in use', async () => {
    const first = await openHealthServer((_request, response) => response.end(), 0, '127.0.0.1')
    const second = openHealthServer(() => {}, first.port, '127.0.0.1')
    await expect(second).rejects.toThrow(InvalidOptionsError)
    await expect(second).rejects.toThrow(`health: port ${first.port} of 127.0.0.1 is in use.`)
    await first.close()
  })

  it('says when the host is not its own', async () => {
    await expect(openHealthServer(() => {}, 0, '192.0.2.1')).rejects.toThrow(/can not listen on port 0 of 192\.0\.2\.1/)
  })

  it('closes while a request is open', async () => {
    const asked = Promise.withResolvers<void>()
    const server = await openHealthServer(() => asked.resolve(), 0, '127.0.0.1')
    const open = fetch(`http://127.0.0.1:${server.port}/`)
    open.catch(() => undefined)
    await asked.promise
    await server.close()
    await expect(open).rejects.toThrow()
  })
})
