import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import {
  type OpenStage,
  errorsIn,
  expectOnlyStatuses,
  isMarked,
  mark,
  namesIn,
  recordsIn,
  rowOf,
  runToItsEnd,
  startRun,
} from './stage.ts'
import { LONG_NAME } from './workers.ts'

const NAMES = [
  LONG_NAME,
  'currency-rates',
  'invoice-mailer',
  'newsletter-digest',
  'nightly-backup',
  'pdf-renderer',
  'search-index',
  'stock-report',
]

/** What somebody sees who only looks. */
export function testLooking(open: OpenStage): void {
  describe('the list', () => {
    it('has each worker, with its schedule and its state, and leads to its page', async () => {
      await using stage = await open()
      const { page } = stage
      await page.goto('./')
      await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Workers' }).click()
      await page.getByRole('heading', { name: 'Workers', level: 1 }).waitFor()
      await expect.poll(() => namesIn(page)).toEqual(NAMES)
      const row = rowOf(page, 'nightly-backup')
      expect(await row.getByRole('cell').first().textContent()).toMatch(/02:30.*30 2 2 1 \*.*America\/New_York/)
      expect(await row.getByRole('cell').last().textContent()).toBe('Idle')
      expect(await rowOf(page, 'pdf-renderer').getByRole('cell').last().textContent()).toBe('Start failed')
      await row.getByRole('link', { name: 'nightly-backup' }).click()
      await page.getByRole('heading', { name: 'nightly-backup', level: 1 }).waitFor()
    })

    it('narrows as somebody types, without a reload, and the key / leads there', async () => {
      await using stage = await open()
      const { page } = stage
      await page.goto('workers')
      await mark(page)
      await page.keyboard.press('/')
      await page.keyboard.type('backup')
      // First the address: where the keys come slowly, the first letters alone have found the same worker.
      await expect.poll(() => new URL(page.url()).search).toBe('?q=backup')
      await expect.poll(() => namesIn(page)).toEqual(['nightly-backup'])
      expect(await page.locator('#count').textContent()).toBe('1 of 8')
      const search = page.getByRole('searchbox', { name: 'Search by name, schedule or note' })
      expect(await search.evaluate((element) => element === document.activeElement)).toBe(true)
      await search.fill('tokyo')
      await expect.poll(() => namesIn(page)).toEqual(['currency-rates'])
      await search.fill('no such worker')
      await page.getByRole('heading', { name: 'No worker matches' }).waitFor()
      await search.fill('')
      await expect.poll(() => namesIn(page)).toEqual(NAMES)
      expect(await isMarked(page)).toBe(true)
    })

    it('is sorted by a column, one way and the other', async () => {
      await using stage = await open()
      const { page, manager } = stage
      const planned = (await manager.list()).filter(({ nextDueAt }) => nextDueAt !== undefined)
      const byNext = planned
        .sort((one, other) => Number(one.nextDueAt) - Number(other.nextDueAt))
        .map(({ name }) => name)
      const header = (name: string) => page.getByRole('columnheader', { name, exact: true })
      await page.goto('workers')
      expect(await header('Name').getAttribute('aria-sort')).toBe('ascending')
      await header('Next').getByRole('link').click()
      await expect.poll(() => header('Next').getAttribute('aria-sort')).toBe('ascending')
      await expect.poll(() => namesIn(page)).toEqual([...byNext, 'pdf-renderer'])
      await header('Next').getByRole('link').click()
      await expect.poll(() => header('Next').getAttribute('aria-sort')).toBe('descending')
      await expect.poll(() => namesIn(page)).toEqual([...byNext.toReversed(), 'pdf-renderer'])
      expect(await header('Name').getAttribute('aria-sort')).toBe('none')
    })

    it('is narrowed by a state, with the count of each', async () => {
      await using stage = await open()
      const { page, manager } = stage
      await manager.pause('stock-report', { by: 'grace', note: 'the warehouse counts' })
      await page.goto('workers')
      const filters = page.getByRole('navigation', { name: 'Filter by state' })
      const paused = filters.getByRole('link', { name: 'Paused 1' })
      await paused.click()
      await expect.poll(() => namesIn(page)).toEqual(['stock-report'])
      expect(await paused.getAttribute('aria-current')).toBe('true')
      expect(await rowOf(page, 'stock-report').textContent()).toContain('Paused by grace: the warehouse counts')
      await filters.getByRole('link', { name: 'All' }).click()
      await expect.poll(() => namesIn(page)).toEqual(NAMES)
    })

    it('has pages when there are many workers, which keep the search', async () => {
      await using stage = await open({ many: 120 })
      const { page } = stage
      await page.goto('workers?q=tenant')
      const pager = page.getByRole('navigation', { name: 'Pages of the list' })
      const tenants = (from: number, to: number) =>
        Array.from({ length: to - from + 1 }, (_, index) => `tenant-${String(from + index).padStart(3, '0')}`)
      await expect.poll(() => namesIn(page)).toEqual(tenants(1, 50))
      await pager.getByRole('link', { name: 'Next' }).click()
      await pager.getByText('Page 2 of 3').waitFor()
      await expect.poll(() => namesIn(page)).toEqual(tenants(51, 100))
      await pager.getByRole('link', { name: 'Next' }).click()
      await pager.getByText('Page 3 of 3').waitFor()
      await expect.poll(() => namesIn(page)).toEqual(tenants(101, 120))
      expect(await pager.getByRole('link').allTextContents()).toEqual(['Previous'])
    })
  })

  describe('a page that is open', () => {
    it('shows without a reload that a worker runs, and how it ended', async () => {
      await using stage = await open()
      const { page, manager, gate } = stage
      await page.goto('workers')
      await page.getByRole('status').getByText('Live', { exact: true }).waitFor()
      await mark(page)
      const state = rowOf(page, 'search-index').getByRole('cell').last()
      expect(await state.textContent()).toBe('Idle')
      await startRun(manager, 'search-index')
      await expect.poll(() => state.textContent()).toBe('Running')
      gate.open()
      await expect.poll(() => state.textContent()).toBe('Idle')
      await expect.poll(() => rowOf(page, 'search-index').textContent()).toContain('succeeded')
      expect(await isMarked(page)).toBe(true)
    })

    it('counts what runs and what needs somebody, on the overview', async () => {
      await using stage = await open()
      const { page, manager } = stage
      await page.goto('./')
      const tile = (name: string) => page.getByRole('list', { name: 'Workers by state' }).getByRole('link', { name })
      await tile('8 Workers').waitFor()
      await mark(page)
      await startRun(manager, 'search-index')
      await tile('1 Running').waitFor()
      await page.getByRole('region', { name: 'Running now' }).getByRole('link', { name: 'search-index' }).waitFor()
      for (let count = 0; count < 3; count++) await runToItsEnd(manager, 'invoice-mailer')
      await tile('1 Failing').waitFor()
      const needy = page.getByRole('region', { name: 'Needs attention' })
      await needy.getByText('3 runs in a row have failed.').waitFor()
      const activity = page.getByRole('region', { name: 'Runs per minute' }).getByRole('paragraph')
      await activity.getByText('3 runs ended in the last hour, 3 of them failed or lost.').waitFor()
      expect(await isMarked(page)).toBe(true)
    })

    it('keeps an error stack open that somebody reads, while records come', async () => {
      await using stage = await open()
      const { page, manager } = stage
      await runToItsEnd(manager, 'invoice-mailer')
      await page.goto('workers/invoice-mailer')
      const stacks = errorsIn(page)
        .getByText(/at .*workers\.ts:\d+/)
        .filter({ visible: true })
      expect(await stacks.count()).toBe(0)
      await errorsIn(page).getByText('Error (ECONNREFUSED): connect ECONNREFUSED 10.0.4.17:5432').click()
      await stacks.waitFor()
      await mark(page)
      await runToItsEnd(manager, 'invoice-mailer')
      await expect.poll(() => recordsIn(page).count()).toBe(2)
      await expect.poll(() => errorsIn(page).count()).toBe(2)
      expect(await stacks.count()).toBe(1)
      expect(await errorsIn(page).last().getAttribute('open')).toBe('')
      expect(await isMarked(page)).toBe(true)
    })

    it('stays, and does not say that it is live, while a proxy answers that the server is away', async () => {
      await using stage = await open()
      const { page, manager } = stage
      const status = page.getByRole('status')
      let isAway = false
      await page.route('**/workers', (route) =>
        isAway ? route.fulfill({ status: 502, contentType: 'text/html', body: 'Bad gateway' }) : route.continue(),
      )
      await page.goto('workers')
      await status.getByText('Live', { exact: true }).waitFor()
      await mark(page)
      isAway = true
      await manager.pause('stock-report')
      await status.getByText('Reconnecting').waitFor()
      await rowOf(page, 'stock-report').waitFor()
      isAway = false
      await manager.pause('currency-rates')
      await status.getByText('Live', { exact: true }).waitFor()
      await expect.poll(() => rowOf(page, 'stock-report').textContent()).toContain('Paused')
      expect(await isMarked(page)).toBe(true)
      expectOnlyStatuses(stage, 502)
    })
  })

  it('is dark or light as the system is, until somebody switches, and stays so', async () => {
    await using stage = await open({}, { colorScheme: 'dark' })
    const { page } = stage
    await page.goto('workers')
    expect(await brightness(page)).toBeLessThan(0.2)
    await page.getByRole('button', { name: 'Switch between light and dark' }).click()
    expect(await brightness(page)).toBeGreaterThan(0.9)
    await page.reload()
    expect(await brightness(page)).toBeGreaterThan(0.9)
    await page.getByRole('button', { name: 'Switch between light and dark' }).click()
    expect(await brightness(page)).toBeLessThan(0.2)
  })
}

/** Of the page's background, from 0 to 1. */
function brightness(page: Page): Promise<number> {
  return page.evaluate(() => {
    const [red = 0, green = 0, blue = 0] = getComputedStyle(document.body).backgroundColor.match(/\d+/g)!.map(Number)
    return (red + green + blue) / 3 / 255
  })
}
