import { cron, every } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import {
  type OpenStage,
  confirm,
  expectOnlyStatuses,
  namesIn,
  openDialog,
  recordsIn,
  rowOf,
  startRun,
} from './stage.ts'

/** What an operator does. */
export function testActing(open: OpenStage): void {
  describe('an operator', () => {
    it('runs a worker now', async () => {
      await using stage = await open()
      const { page } = stage
      await page.goto('workers/newsletter-digest')
      await confirm(await openDialog(page, 'Run now'), 'Run now', 'The run is accepted.')
      await expect.poll(() => recordsIn(page).allTextContents()).toEqual([expect.stringContaining('manual, by ada')])
      await expect.poll(() => recordsIn(page).first().textContent()).toContain('succeeded')
      // A reload does not tell again what has been done.
      await page.reload()
      await page.getByRole('heading', { name: 'newsletter-digest', level: 1 }).waitFor()
      expect(await page.getByText('The run is accepted.').count()).toBe(0)
    })

    it('cancels the active run', async () => {
      await using stage = await open()
      const { page, manager } = stage
      await startRun(manager, 'search-index')
      await page.goto('workers/search-index')
      expect(await page.getByRole('link', { name: 'Run now' }).count()).toBe(0)
      const dialog = await openDialog(page, 'Cancel the run')
      await dialog.getByText('Aborts the signal of the active run').waitFor()
      await confirm(dialog, 'Cancel the run', 'The run is told to end.')
      await expect.poll(() => recordsIn(page).first().textContent()).toContain('aborted cancelled')
      expect(await recordsIn(page).first().textContent()).toContain('cancelled by ada')
      // Its actions are those of a worker that does not run.
      await page.getByRole('link', { name: 'Run now' }).waitFor()
    })

    it('pauses with a note, which all see, and resumes', async () => {
      await using stage = await open()
      const { page, manager } = stage
      await page.goto('workers/stock-report')
      const dialog = await openDialog(page, 'Pause')
      await dialog.getByLabel('Note').fill('the warehouse counts until Friday')
      await confirm(dialog, 'Pause', 'The worker is paused.')
      await page.getByText('Paused by ada: the warehouse counts until Friday').waitFor()
      expect((await manager.get('stock-report'))?.paused).toMatchObject({ by: 'ada' })
      await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Workers' }).click()
      await rowOf(page, 'stock-report').getByText('Paused by ada: the warehouse counts until Friday').waitFor()

      await rowOf(page, 'stock-report').getByRole('link').click()
      await page.getByRole('heading', { name: 'stock-report', level: 1 }).waitFor()
      await confirm(await openDialog(page, 'Resume'), 'Resume', 'The worker is resumed.')
      expect(await page.getByText('Paused by ada').count()).toBe(0)
      expect((await manager.get('stock-report'))?.paused).toBeUndefined()
    })

    it('reschedules, is told what is wrong with a schedule, and drops the override', async () => {
      await using stage = await open()
      const { page, manager, visit } = stage
      const override = async () => (await manager.get('currency-rates'))?.schedule?.override?.schedule
      await page.goto('workers/currency-rates')
      const dialog = await openDialog(page, 'Reschedule')
      // The fields are those of the kind that is chosen.
      expect(await dialog.getByRole('textbox').count()).toBe(2)
      await page.keyboard.press('ArrowUp')
      expect(await dialog.getByRole('textbox').count()).toBe(2)
      await dialog.getByLabel('Offset').fill('10m')
      await dialog.getByLabel('Every').fill('often')
      await dialog.getByRole('button', { name: 'Reschedule' }).click()
      await page.getByRole('alert').getByText('the period "often" can not be read').waitFor()
      expect(visit.faults).toContainEqual('status: 422 /admin/jobs/workers/currency-rates/reschedule')
      expectOnlyStatuses(stage, 422)
      expect(await override()).toBeUndefined()

      await page.getByLabel('Every').fill('2h')
      await page.getByRole('button', { name: 'Reschedule' }).click()
      await page.getByRole('status').getByText('The schedule is overridden.').waitFor()
      await page.waitForLoadState()
      await page.getByText(/Overridden by ada since .* Declared: /).waitFor()
      expect(await override()).toEqual(every('2h', { offset: '10m' }))

      const again = await openDialog(page, 'Reschedule')
      await again.getByLabel('By a cron expression').check()
      await again.getByRole('textbox', { name: 'Expression' }).fill('0 4 * * *')
      await again.getByLabel('Time zone').fill('Europe/Berlin')
      await confirm(again, 'Reschedule', 'The schedule is overridden.')
      expect(await override()).toEqual(cron('0 4 * * *', { timeZone: 'Europe/Berlin' }))

      await confirm(await openDialog(page, 'Drop the override'), 'Drop the override', 'The override is dropped.')
      expect(await page.getByText('Overridden by ada').count()).toBe(0)
      expect(await override()).toBeUndefined()
    })

    it('needs no mouse: gets to an action, thinks again, is back where it was, and confirms', async () => {
      await using stage = await open()
      const { page } = stage
      const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim())
      await page.goto('workers/newsletter-digest')
      await page.keyboard.press('Tab')
      expect(await focused()).toBe('Skip to the content')
      await page.keyboard.press('Enter')
      await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('main')
      for (let presses = 0; presses < 20 && (await focused()) !== 'Run now'; presses++) await page.keyboard.press('Tab')
      expect(await focused()).toBe('Run now')

      const dialog = page.getByRole('dialog', { name: 'Run now' })
      await page.keyboard.press('Enter')
      await dialog.waitFor()
      // What the key Enter does next is in sight, and Tab stays within the dialog.
      await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('type'))).toBe('submit')
      await page.keyboard.press('Shift+Tab')
      expect(await focused()).toBe('Back')
      await page.keyboard.press('Enter')
      await dialog.waitFor({ state: 'hidden' })
      expect(await focused()).toBe('Run now')

      await page.keyboard.press('Enter')
      await dialog.waitFor()
      await page.keyboard.press('Escape')
      await dialog.waitFor({ state: 'hidden' })
      expect(await focused()).toBe('Run now')

      await page.keyboard.press('Enter')
      await dialog.waitFor()
      await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('type'))).toBe('submit')
      await page.keyboard.press('Enter')
      await page.getByRole('status').getByText('The run is accepted.').waitFor()
      await expect.poll(() => recordsIn(page).count()).toBe(1)
    })
  })

  describe('without JavaScript', () => {
    it('an operator searches and sorts', async () => {
      await using stage = await open({}, { javaScriptEnabled: false })
      const { page } = stage
      await page.goto('workers')
      await page.getByRole('searchbox').fill('r')
      await page.getByRole('button', { name: 'Search' }).click()
      await page.waitForURL('**/workers?q=r')
      await page.getByRole('columnheader', { name: 'Name' }).getByRole('link').click()
      await page.waitForURL('**/workers?q=r&order=desc')
      await page.waitForLoadState()
      const names = await namesIn(page)
      expect(names).toContain('stock-report')
      expect(names).toEqual(names.toSorted().toReversed())
    })

    it('an operator runs now, and pauses with a note, by the page that asks', async () => {
      await using stage = await open({}, { javaScriptEnabled: false })
      const { page, manager } = stage
      await page.goto('workers/newsletter-digest')
      await page.getByRole('link', { name: 'Run now' }).click()
      await page.getByRole('heading', { name: 'Run now', level: 1 }).waitFor()
      await page.getByText('Runs the worker once, now.').waitFor()
      await page.getByRole('button', { name: 'Run now' }).click()
      await page.getByRole('status').getByText('The run is accepted.').waitFor()
      await expect.poll(async () => (await manager.runs('newsletter-digest'))[0]?.outcome).toBe('succeeded')
      await page.reload()
      expect(await recordsIn(page).allTextContents()).toEqual([expect.stringContaining('manual, by ada')])

      await page.getByRole('link', { name: 'Pause' }).click()
      await page.getByLabel('Note').fill('no letters today')
      await page.getByRole('button', { name: 'Pause' }).click()
      await page.getByRole('status').getByText('The worker is paused.').waitFor()
      await page.getByText('Paused by ada: no letters today').waitFor()
      expect((await manager.get('newsletter-digest'))?.paused).toMatchObject({ by: 'ada', note: 'no letters today' })
    })
  })
}
