import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { AxeBuilder } from '@axe-core/playwright'
import { every } from '@background-workers/abstractions'
import type { Locator, Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { conditions, withConditions } from './conditions.ts'
import { type OpenStage, type Stage, confirm, errorsIn, openDialog, rowOf, runToItsEnd, startRun } from './stage.ts'

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

    it('all that can be wrong has its badge, fits, and can be read', async () => {
      await using stage = await open(
        { shown: withConditions },
        { viewport: { width, height: 900 }, colorScheme: theme },
      )
      const { page } = stage
      const shotOf = (name: string) => `${manager}-wrong-${name}-${width}-${theme}`
      await page.goto('./')
      const general = page.getByRole('list', { name: 'What is wrong' }).getByRole('listitem')
      for (const code of ['event-loop-lag', 'clock-skew', 'no-progress']) await general.getByText(code).waitFor()
      await checkPage(page, shotOf('overview'))
      await page.goto('workers?state=attention&sort=state')
      for (const { name, badges } of conditions()) {
        expect(await badgesIn(rowOf(page, name))).toEqual(badges)
      }
      await checkPage(page, shotOf('list'))
      for (const { name, badges } of conditions()) {
        await page.goto(`workers/${name}`)
        await page.getByRole('heading', { name, level: 1 }).waitFor()
        expect(await badgesIn(page.locator('.title'))).toEqual(badges)
        await shoot(page, shotOf(name))
      }
      // The last one has all there is.
      await checkPage(page, shotOf('much'))
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

function badgesIn(place: Locator): Promise<string[]> {
  return place.locator('.badge').allTextContents()
}

async function checkPage(page: Page, name: string): Promise<void> {
  await shoot(page, name)
  const { violations, passes } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'])
    .analyze()
  // It has looked.
  expect(passes.length).toBeGreaterThan(10)
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  expect(grave.map(({ id, help, nodes }) => ({ name, id, help, at: nodes.map(({ html }) => html) }))).toEqual([])
}

/** Keeps a screenshot, and checks that nothing is too wide. */
async function shoot(page: Page, name: string): Promise<void> {
  await mkdir(FOLDER, { recursive: true })
  await page.evaluate(() => scrollTo(0, 0))
  // What lies over the page covers what is in sight only.
  const fullPage = (await page.getByRole('dialog').count()) === 0
  await page.screenshot({ path: `${FOLDER}${name}.png`, fullPage })
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), name).toBeLessThanOrEqual(0)
}
