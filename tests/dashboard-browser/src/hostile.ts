import type { IBackgroundWorkerManager, WorkerStatus } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { showInstead } from './show-instead.ts'
import { type OpenStage, expectOnlyStatuses, namesIn, openDialog, rowOf } from './stage.ts'

const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '"><svg onload=alert(1)>',
  "' onfocus='alert(1)' autofocus='",
  '</title><script>alert(1)</script>',
  'javascript:alert(1)',
]
const NOTE = HOSTILE.join(' ')

/** What somebody may have stored to do harm. A visit fails by a dialog, and by what a content policy has had to stop. */
export function testHostileTexts(open: OpenStage): void {
  describe('hostile texts', () => {
    it('in a note are refused, and stand there to be mended', async () => {
      await using stage = await open()
      const { page, manager, visit } = stage
      await page.goto('workers/stock-report')
      const dialog = await openDialog(page, 'Pause')
      await dialog.getByLabel('Note').fill(NOTE)
      await dialog.getByRole('button', { name: 'Pause' }).click()
      await page.getByRole('alert').getByText('"note" must not hold markup. Put a space after "<"').waitFor()
      expect(visit.faults).toContainEqual('status: 400 /admin/jobs/workers/stock-report/pause')
      expectOnlyStatuses(stage, 400)
      expect((await manager.get('stock-report'))?.paused).toBeUndefined()
      expect(await page.getByLabel('Note').inputValue()).toBe(NOTE)
      await page.getByLabel('Note').fill('a < b, says ticket <42>')
      await page.getByRole('button', { name: 'Pause' }).click()
      await page.getByText('Paused by ada: a < b, says ticket <42>').waitFor()
    })

    it('that others have stored, as a note and as who has written it, are shown as they are, also by a page that is open', async () => {
      await using stage = await open({ operator: () => ({ by: HOSTILE[1] as string }) })
      const { page, manager } = stage
      await page.goto('workers')
      await page.getByRole('status').getByText('Live', { exact: true }).waitFor()
      await manager.pause('stock-report', { note: NOTE, by: HOSTILE[3] as string })
      const text = `Paused by ${HOSTILE[3]}: ${NOTE}`
      await rowOf(page, 'stock-report').getByText(text).waitFor()
      await rowOf(page, 'stock-report').getByRole('link').click()
      await page.getByText(text).waitFor()
      await page.goto('./')
      await page.goto(`workers?q=${encodeURIComponent(HOSTILE[2] as string)}`)
      expect(await namesIn(page)).toEqual(['stock-report'])
      expect(await page.getByRole('searchbox').inputValue()).toBe(HOSTILE[2])
    })

    it('in names that only a damaged store has are shown, and lead nowhere', async () => {
      await using stage = await open({ shown: withHostileNames })
      const { page } = stage
      await page.goto('workers')
      const names = await namesIn(page)
      expect(names.filter((name) => HOSTILE.includes(name)).toSorted()).toEqual(HOSTILE.toSorted())
      for (const name of HOSTILE) expect(await rowOf(page, name).getByRole('link').count()).toBe(0)
      await page.goto('./')
      await page
        .getByRole('region', { name: 'Up next' })
        .getByText(HOSTILE[0] as string, { exact: true })
        .waitFor()
    })
  })
}

function withHostileNames(manager: IBackgroundWorkerManager): IBackgroundWorkerManager {
  return showInstead(manager, {
    list: async () => {
      const workers = await manager.list()
      const [worker] = workers.filter(({ nextDueAt }) => nextDueAt !== undefined)
      const nextDueAt = new Date(Date.now() + 60_000)
      return [...workers, ...HOSTILE.map((name) => ({ ...(worker as WorkerStatus), name, nextDueAt }))]
    },
  })
}
