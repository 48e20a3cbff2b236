import { expect, it } from 'vitest'
import { launchBrowser } from '../src/launch-browser.ts'
import { Visit } from '../src/visit.ts'

const browser = launchBrowser()
/** No server has it: the browser's requests are answered by the test. */
const SITE = 'http://shop.test'

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
  const visit = await Visit.open(browser(), SITE)
  await visit.page.route(`${SITE}/**`, async (route) => {
    const { pathname } = new URL(route.request().url())
    if (pathname === '/broken') await route.abort()
    else await route.fulfill({ status: pathname === '/refused' ? 404 : 200, contentType: 'text/html', body })
  })
  await visit.page.goto('/')
  await expect.poll(() => visit.faults).toContainEqual(expect.stringContaining(fault))
  await expect(visit[Symbol.asyncDispose]()).rejects.toThrow('to deeply equal []')
})
