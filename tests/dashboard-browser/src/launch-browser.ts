import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, inject } from 'vitest'

/** One browser for the tests of a file, which ends with them. */
export function launchBrowser(): () => Browser {
  let browser: Browser | undefined
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: inject('chromiumPath'),
      // Chromium refuses to have one for root.
      chromiumSandbox: process.getuid?.() !== 0,
      timeout: 120_000,
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    })
  }, 180_000)
  afterAll(async () => {
    await browser?.close()
  })
  return () => browser!
}
