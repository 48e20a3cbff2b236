import { describe, expect, it } from 'vitest'
import { type OpenStage, openDialog, startRun } from './stage.ts'

/** What somebody sees, and can not do, who may only look. */
export function testPermissions(open: OpenStage): void {
  describe('somebody who may only look', () => {
    it('is told so, and is offered no action anywhere', async () => {
      await using stage = await open({ operator: () => ({ by: 'tim', readOnly: true }) })
      const { page, manager } = stage
      await startRun(manager, 'search-index')
      await manager.pause('stock-report', { by: 'ada' })
      for (const path of ['./', 'workers', 'workers/search-index', 'workers/stock-report', 'workers/currency-rates']) {
        await page.goto(path)
        await page.getByRole('banner').getByText('read-only', { exact: true }).waitFor()
        expect(await page.locator('form[method=post]').count()).toBe(0)
        expect(await page.getByRole('list', { name: 'Actions' }).count()).toBe(0)
        const buttons = await page.getByRole('button').allTextContents()
        expect(buttons.filter((text) => text !== '')).toEqual(path === 'workers' ? ['Search'] : [])
      }
    })

    it('is refused, with an open form and its token too, and nothing changes', async () => {
      let readOnly = false
      await using stage = await open({ operator: () => ({ by: 'tim', readOnly }) })
      const { page, manager, visit } = stage
      await page.goto('workers/newsletter-digest')
      const dialog = await openDialog(page, 'Run now')
      const token = await dialog.locator('input[name=token]').inputValue()
      readOnly = true
      await dialog.getByRole('button', { name: 'Run now' }).click()
      await page.getByRole('alert').getByText('You may look, and change nothing.').waitFor()

      await page.goto('workers/newsletter-digest')
      const answers = await page.evaluate(
        async (fields) => {
          const operations = ['trigger', 'cancel', 'pause', 'resume', 'reschedule', 'drop-override', 'remove']
          const send = (operation: string) =>
            fetch(`newsletter-digest/${operation}`, { method: 'POST', body: new URLSearchParams(fields) })
          return Promise.all(operations.map(async (operation) => (await send(operation)).status))
        },
        { token, note: 'mine', kind: 'every', period: '5m' },
      )
      expect(answers).toEqual(Array.from({ length: 7 }, () => 403))
      await page.goto('workers/newsletter-digest/confirm/pause')
      await page.getByRole('alert').getByText('You may look, and change nothing.').waitFor()

      expect(await manager.runs('newsletter-digest')).toEqual([])
      const worker = await manager.get('newsletter-digest')
      expect([worker?.paused, worker?.schedule?.override]).toEqual([undefined, undefined])
      // All that was refused, and nothing else, is a fault of the visit.
      expect(visit.faults.splice(0).filter((fault) => !/\b403\b/.test(fault))).toEqual([])
    })
  })
}
