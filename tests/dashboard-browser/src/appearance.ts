import { every } from '@background-workers/abstractions'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { describe, it } from 'vitest'
import { checkPage } from './check-page.ts'
import { type OpenStage, type Stage, confirm, errorsIn, openDialog, runToItsEnd, startRun } from './stage.ts'

/** How somebody looks at pages. */
export interface Look {
  readonly browser: BrowserContextOptions
  /** Checks what is shown, and keeps a screenshot under that name. */
  readonly check: (page: Page, name: string) => Promise<void>
}

/**
 * Describes how pages look, and whether everybody can read and use them: wide and narrow, light and dark.
 * @param prefix begins the names of screenshots
 */
export function describeLooks(prefix: string, test: (look: Look) => void): void {
  const looks = [1280, 360].flatMap((width) => (['light', 'dark'] as const).map((theme) => ({ width, theme })))
  describe.each(looks)('at $width px, in $theme, no page is too wide, and axe finds nothing serious', (look) => {
    const { width, theme } = look
    test({
      browser: { viewport: { width, height: 900 }, colorScheme: theme },
      check: (page, name) => checkPage(page, `${prefix}-${name}-${width}-${theme}`),
    })
  })
}

/** The pages of a lively application. */
export function testAppearance(open: OpenStage, manager: string): void {
  describeLooks(manager, ({ browser, check }) => {
    it('of a lively application', async () => {
      await using stage = await open({}, browser)
      const { page } = stage
      await makeLively(stage)
      await page.goto('./')
      await page.getByRole('heading', { name: 'Overview' }).waitFor()
      await check(page, '1-overview')
      await page.goto('workers')
      await page.getByRole('heading', { name: 'Workers', level: 1 }).waitFor()
      await check(page, '2-list')
      await page.goto('workers/invoice-mailer')
      await errorsIn(page).first().getByText('Error (ECONNREFUSED)').click()
      await errorsIn(page).first().getByText('workers.ts').waitFor()
      await check(page, '3-worker')
      await page.goto('workers/stock-report')
      await confirm(await openDialog(page, 'Resume'), 'Resume', 'The worker is resumed.')
      await check(page, '4-done')
      await openDialog(page, 'Reschedule')
      await check(page, '5-dialog')
      await page.goto('workers?q=nobody')
      await check(page, '6-nothing')
    })
  })
}

/** So that pages have all that they can show. */
export async function makeLively({ manager }: Stage): Promise<void> {
  for (let count = 0; count < 4; count++) await runToItsEnd(manager, 'newsletter-digest')
  for (let count = 0; count < 3; count++) await runToItsEnd(manager, 'invoice-mailer')
  await startRun(manager, 'search-index')
  await manager.pause('stock-report', { by: 'ada', note: 'the warehouse counts until Friday, says the warehouse' })
  await manager.reschedule('currency-rates', every('2h'), { by: 'grace' })
}
