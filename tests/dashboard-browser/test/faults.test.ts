import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { launchBrowser } from '../src/launch-browser.ts'
import { Visit } from '../src/visit.ts'

const browser = launchBrowser()

it.each([
  ['an error on the console', '<script>console.error("oh")</script>', 'console: oh'],
  ['an exception', '<script>throw new Error("oh")</script>', 'exception: oh'],
  ['a request to another host', '<img src="http://localhost:1/x.png">', 'another host: http://localhost:1/x.png'],
  ['a request that fails', '<img src="/broken">', 'failed: '],
  ['a request that is refused', '<img src="/refused">', 'status: 404 /refused'],
  ['a dialog', '<script>alert("oh")</script>', 'dialog: oh'],
  [
    'a violation of the content policy',
    '<meta http-equiv="content-security-policy" content="script-src \'none\'"><script>alert("oh")</script>',
    'policy: script-src-elem inline',
  ],
])('a visit fails by %s', async (_, body, fault) => {
  await using server = await serve(({ url }, response) => {
    if (url === '/broken') response.destroy()
    else response.writeHead(url === '/refused' ? 404 : 200, { 'content-type': 'text/html' }).end(body)
  })
  const visit = await Visit.open(browser(), server.address)
  await visit.page.goto('/')
  await expect.poll(() => visit.faults).toContainEqual(expect.stringContaining(fault))
  await expect(visit[Symbol.asyncDispose]()).rejects.toThrow('to deeply equal []')
})

async function serve(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
