import type { Operator } from '@background-workers/dashboard'
import { describe, expect, it } from 'vitest'
import { type OpenStage, expectOnlyStatuses, isMarked, mark, openDialog, rowOf, startRun } from './stage.ts'

/** It has a main part, as a page of the dashboard has. */
const LOGIN =
  '<!doctype html><html lang="en"><head><title>Log in</title></head><body><main id="main"><h1>Log in first.</h1></main></body></html>'

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

  describe('somebody whose session ends while a page is open', () => {
    it.each<[string, () => Response | false, string, number]>([
      ['refused', () => false, 'You may not do this here.', 403],
      ['asked to log in', () => html(LOGIN, 401), 'Log in first.', 401],
      ['given a login in place of the page', () => html(LOGIN, 200), 'Log in first.', 200],
      // The dashboard's server has nothing there.
      ['sent to a login', () => new Response(null, { status: 302, headers: { location: '/login' } }), 'Not found', 404],
    ])('is %s, by a page of its own', async (_, answer, text, status) => {
      let operator: Operator | Response | false = { by: 'ada' }
      await using stage = await open({ operator: () => operator })
      const { page, manager } = stage
      await page.goto('workers')
      await page.getByRole('status').getByText('Live', { exact: true }).waitFor()
      operator = answer()
      await manager.pause('stock-report')
      await page.getByText(text).waitFor()
      expect(await page.getByRole('banner').count()).toBe(0)
      expectOnlyStatuses(stage, status)
    })

    it('keeps the page where a reload does not help, which does not say that it is live, and does not reload again', async () => {
      await using stage = await open()
      const { page, manager } = stage
      const status = page.getByRole('status')
      let isLoggedIn = true
      let refusals = 0
      // As of a proxy that lets pages through, and nothing else.
      await page.route('**/workers', async (route) => {
        if (isLoggedIn || route.request().resourceType() !== 'fetch') return route.continue()
        await route.fulfill({ contentType: 'text/html', body: LOGIN })
        refusals++
      })
      await page.goto('workers')
      await status.getByText('Live', { exact: true }).waitFor()
      await mark(page)
      isLoggedIn = false
      await manager.pause('stock-report')
      await expect.poll(() => isMarked(page)).toBe(false)
      await status.getByText('Reconnecting').waitFor()
      await mark(page)
      // Two, as the reload that the first of them asked for would be under way only.
      for (const worker of ['currency-rates', 'nightly-backup']) {
        const before = refusals
        await manager.pause(worker)
        await expect.poll(() => refusals).toBeGreaterThan(before)
      }
      await rowOf(page, 'currency-rates').waitFor()
      isLoggedIn = true
      await manager.resume('stock-report')
      await status.getByText('Live', { exact: true }).waitFor()
      expect(await isMarked(page)).toBe(true)
    })
  })
}

function html(text: string, status: number): Response {
  return new Response(text, { status, headers: { 'content-type': 'text/html; charset=utf-8' } })
}
