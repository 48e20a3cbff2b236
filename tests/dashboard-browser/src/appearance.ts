import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { AxeBuilder } from '@axe-core/playwright'
import { every } from '@background-workers/abstractions'
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { type OpenStage, type Stage, confirm, errorsIn, openDialog, runToItsEnd, startRun } from './stage.ts'

const FOLDER = fileURLToPath(new URL('../screenshots/', import.meta.url))
const LOOKS = [1280, 360].flatMap((width) => (['light', 'dark'] as const).map((theme) => ({ width, theme })))

/** How pages look, and whether everybody can read and use them. Keeps a screenshot of each. */
export function testAppearance(open: OpenStage, manager: string): void {
  describe.each(LOOKS)('at $width px, in $theme', ({ width, theme }) => {
    it('no page is too wide, and axe finds nothing serious', async () => {
      await using stage = await open({}, { viewport: { width, height: 900 }, colorScheme: theme })
      const { page } = stage
      await makeLively(stage)
      const check = (name: string) => checkPage(page, `${manager}-${name}-${width}-${theme}`)

      await page.goto('./')
      await page.getByRole('heading', { name: 'Overview' }).waitFor()
      await check('1-overview')
      await page.goto('workers')
      await page.getByRole('heading', { name: 'Workers', level: 1 }).waitFor()
      await check('2-list')
      await page.goto('workers/invoice-mailer')
      await errorsIn(page).first().getByText('Error (ECONNREFUSED)').click()
      await errorsIn(page).first().getByText('workers.ts').waitFor()
      await check('3-worker')
      await page.goto('workers/stock-report')
      await confirm(await openDialog(page, 'Resume'), 'Resume', 'The worker is resumed.')
      await check('4-done')
      await openDialog(page, 'Reschedule')
      await check('5-dialog')
      await page.goto('workers/search-index/confirm/cancel')
      await check('6-confirmation')
      await page.goto('workers?q=nobody')
      await check('7-nothing')
    })
  })
}

/** So that pages have all that they can show. */
async function makeLively({ manager }: Stage): Promise<void> {
  for (let count = 0; count < 4; count++) await runToItsEnd(manager, 'newsletter-digest')
  for (let count = 0; count < 3; count++) await runToItsEnd(manager, 'invoice-mailer')
  await startRun(manager, 'search-index')
  await manager.pause('stock-report', { by: 'ada', note: 'the warehouse counts until Friday, says the warehouse' })
  await manager.reschedule('currency-rates', every('2h'), { by: 'grace' })
}

async function checkPage(page: Page, name: string): Promise<void> {
  await mkdir(FOLDER, { recursive: true })
  await page.evaluate(() => scrollTo(0, 0))
  // What lies over the page covers what is in sight only.
  const fullPage = (await page.getByRole('dialog').count()) === 0
  await page.screenshot({ path: `${FOLDER}${name}.png`, fullPage })
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), name).toBeLessThanOrEqual(0)
  const { violations, passes } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'])
    .analyze()
  // It has looked.
  expect(passes.length).toBeGreaterThan(10)
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  expect(grave.map(({ id, help, nodes }) => ({ name, id, help, at: nodes.map(({ html }) => html) }))).toEqual([])
}
