import type { IBackgroundWorkerManager, WorkerStatus } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { showInstead } from './show-instead.ts'
import { type OpenStage, confirm, namesIn, openDialog, rowOf } from './stage.ts'

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
    it('in a note, and in who has written it, are shown as they are, also by a page that is open', async () => {
      await using stage = await open({ operator: () => ({ by: HOSTILE[1] as string }) })
      const { page } = stage
      await page.goto('workers')
      await page.getByRole('status').getByText('Live', { exact: true }).waitFor()
      const other = await page.context().newPage()
      await other.goto('workers/stock-report')
      const dialog = await openDialog(other, 'Pause')
      await dialog.getByLabel('Note').fill(NOTE)
      await confirm(dialog, 'Pause', 'The worker is paused.')
      const text = `Paused by ${HOSTILE[1]}: ${NOTE}`
      await other.getByText(text).waitFor()
      await other.close()
      await rowOf(page, 'stock-report').getByText(text).waitFor()
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
