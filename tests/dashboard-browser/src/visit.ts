import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { expect } from 'vitest'

/** Only a hang takes so long, however slow the machine. */
const PATIENCE_MS = 60_000

/**
 * Somebody looks at pages. What a page must never do is a fault: an error on the console, an exception, a request to
 * another host, one that fails or is refused, a violation of the content policy, a dialog of the browser. When the visit
 * ends and a fault is left, the test fails.
 */
export class Visit implements AsyncDisposable {
  readonly page: Page
  /** The faults until now. A test that provokes one takes it out. */
  readonly faults: string[]

  private constructor(page: Page, faults: string[]) {
    this.page = page
    this.faults = faults
  }

  /** Opens an empty page, to which that address is what it goes to relatively. */
  static async open(browser: Browser, address: string, options: BrowserContextOptions = {}): Promise<Visit> {
    const context = await browser.newContext({
      baseURL: address,
      viewport: { width: 1280, height: 900 },
      reducedMotion: 'reduce',
      ...options,
    })
    context.setDefaultTimeout(PATIENCE_MS)
    const faults: string[] = []
    await context.exposeBinding('tellViolation', (_, text: string) => faults.push(`policy: ${text}`))
    await context.addInitScript(() => {
      const { tellViolation } = window as unknown as { tellViolation: (text: string) => void }
      addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
        tellViolation(`${violatedDirective} ${blockedURI}`),
      )
    })
    context.on('page', (page) => watchForFaults(page, new URL(address).origin, faults))
    return new Visit(await context.newPage(), faults)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close()
    expect(this.faults).toEqual([])
  }
}

function watchForFaults(page: Page, origin: string, faults: string[]): void {
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`))
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) faults.push(`another host: ${request.url()}`)
  })
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText
    // So end the requests of a page that somebody leaves.
    if (reason !== 'net::ERR_ABORTED') faults.push(`failed: ${request.url()} ${reason}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400) faults.push(`status: ${response.status()} ${new URL(response.url()).pathname}`)
  })
}
