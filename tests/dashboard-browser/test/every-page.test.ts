import { StoreUnavailableError } from '@background-workers/abstractions'
import type { Operator } from '@background-workers/dashboard'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import type { Locator } from 'playwright-core'
import { expect, it } from 'vitest'
import { describeLooks, makeLively } from '../src/appearance.ts'
import { conditions, withConditions } from '../src/conditions.ts'
import { launchBrowser } from '../src/launch-browser.ts'
import { showInstead } from '../src/show-instead.ts'
import { expectOnlyStatuses, rowOf, stageOpener } from '../src/stage.ts'

/** Each form by the end of its path, the worker it is about, and its heading. */
const FORMS = [
  ['trigger', 'newsletter-digest', 'Run now'],
  ['cancel', 'search-index', 'Cancel the run'],
  ['pause', 'newsletter-digest', 'Pause'],
  ['resume', 'stock-report', 'Resume'],
  ['reschedule', 'newsletter-digest', 'Reschedule'],
  ['drop-override', 'currency-rates', 'Drop the override'],
  ['remove', 'newsletter-digest', 'Delete'],
] as const

// Pages are made of the same facts on every manager, so one is enough.
const open = stageOpener(async () => new DefaultBackgroundWorkerManager({ stopTimeoutMs: 1_000 }), launchBrowser())

describeLooks('page', ({ browser, check }) => {
  it('where something is wrong, and all that can be has its badge', async () => {
    await using stage = await open({ shown: withConditions }, browser)
    const { page } = stage
    await page.goto('./')
    const general = page.getByRole('list', { name: 'What is wrong' }).getByRole('listitem')
    for (const code of ['event-loop-lag', 'clock-skew', 'no-progress']) await general.getByText(code).waitFor()
    await check(page, 'wrong-overview')
    await page.goto('workers?sort=state')
    for (const { name, badges } of conditions()) expect(await badgesIn(rowOf(page, name))).toEqual(badges)
    await check(page, 'wrong-list')
    for (const { name, badges } of conditions()) {
      await page.goto(`workers/${name}`)
      await page.getByRole('heading', { name, level: 1 }).waitFor()
      expect(await badgesIn(page.locator('.title'))).toEqual(badges)
      await check(page, `wrong-${name}`)
    }
  })

  it('of those that ask before an action, also when a form is refused', async () => {
    await using stage = await open({}, browser)
    const { page } = stage
    await makeLively(stage)
    for (const [operation, worker, heading] of FORMS) {
      await page.goto(`workers/${worker}/confirm/${operation}`)
      await page.getByRole('heading', { name: heading, level: 1 }).waitFor()
      await check(page, `form-${operation}`)
    }
    await page.goto('workers/newsletter-digest/confirm/pause')
    await page.getByLabel('Note').fill('<b>')
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('alert').getByText('"note" must not hold markup.').waitFor()
    await check(page, 'refused-400')
    await page.goto('workers/newsletter-digest/confirm/reschedule')
    await page.getByLabel('At a fixed rate').check()
    await page.getByLabel('Every').fill('often')
    await page.getByRole('button', { name: 'Reschedule' }).click()
    await page.getByRole('alert').getByText('the period "often" can not be read').waitFor()
    await check(page, 'refused-422')
    expectOnlyStatuses(stage, 400, 422)
  })

  it('where something is not there, or not for everybody', async () => {
    let answer: Operator | Response | false = { by: 'ada' }
    let isStoreAway = false
    await using stage = await open(
      {
        operator: () => answer,
        shown: (manager) =>
          showInstead(manager, {
            list: () => (isStoreAway ? Promise.reject(new StoreUnavailableError('It is away.')) : manager.list()),
          }),
      },
      browser,
    )
    const { page } = stage
    const checkAnswer = async (path: string, status: number, text: string, name = String(status)) => {
      const response = await page.goto(path)
      expect(response?.status()).toBe(status)
      await page.getByText(text).first().waitFor()
      await check(page, `refused-${name}`)
    }
    await checkAnswer('workers/nobody', 404, 'There is no such page, or no worker of that name.')
    await checkAnswer('workers/newsletter-digest/pause', 405, 'This can only be done with the form of its page.')
    answer = { by: 'tim', readOnly: true }
    await checkAnswer(
      'workers/newsletter-digest/confirm/pause',
      403,
      'You may look, and change nothing.',
      '403-read-only',
    )
    answer = false
    await checkAnswer('workers', 403, 'You may not do this here.')
    answer = loginPage()
    await checkAnswer('workers', 401, 'Log in first.')
    answer = { by: 'ada' }
    isStoreAway = true
    await checkAnswer('./', 503, 'The workers can not be read', '503-overview')
    await checkAnswer('workers', 503, 'The store can not be reached')
    // That page asks again by itself.
    await page.close()
    expectOnlyStatuses(stage, 401, 403, 404, 405, 503)
  })

  it('of somebody who may only look', async () => {
    await using stage = await open({ operator: () => ({ by: 'tim', readOnly: true }) }, browser)
    const { page } = stage
    await makeLively(stage)
    for (const [path, name] of [
      ['./', 'overview'],
      ['workers', 'list'],
      ['workers/invoice-mailer', 'failing'],
      ['workers/search-index', 'running'],
      ['workers/stock-report', 'paused'],
      ['workers/currency-rates', 'overridden'],
    ] as const) {
      await page.goto(path)
      await page.getByRole('banner').getByText('read-only', { exact: true }).waitFor()
      await check(page, `read-only-${name}`)
    }
  })
})

/** What an application may answer in place of the dashboard. */
function loginPage(): Response {
  return new Response(
    '<!doctype html><html lang="en"><head><title>Log in</title></head><body><main><h1>Log in first.</h1></main></body></html>',
    { status: 401, headers: { 'content-type': 'text/html; charset=utf-8' } },
  )
}

function badgesIn(place: Locator): Promise<string[]> {
  return place.locator('.badge').allTextContents()
}
