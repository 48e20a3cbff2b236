import type { IBackgroundWorkerManager } from '@background-workers/abstractions'
import { waitForRun } from '@background-workers/abstractions/testing'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { expect } from 'vitest'
import { type ApplicationOptions, type CreateManager, openApplication } from './application.ts'
import { Visit } from './visit.ts'
import type { Gate } from './workers.ts'

/** An application, and somebody who looks at its dashboard. */
export interface Stage extends AsyncDisposable {
  readonly manager: IBackgroundWorkerManager
  readonly gate: Gate
  readonly visit: Visit
  readonly page: Page
}

/** How to open one. */
export type OpenStage = (application?: ApplicationOptions, browser?: BrowserContextOptions) => Promise<Stage>

/** Opens stages on managers of that kind, in that browser. */
export function stageOpener(createManager: CreateManager, browser: () => Browser): OpenStage {
  return async (applicationOptions, browserOptions) => {
    await using stack = new AsyncDisposableStack()
    const { manager, gate, address } = stack.use(await openApplication(createManager, applicationOptions))
    const visit = stack.use(await Visit.open(browser(), address, browserOptions))
    const held = stack.move()
    return { manager, gate, visit, page: visit.page, [Symbol.asyncDispose]: () => held.disposeAsync() }
  }
}

/** Runs a worker once, and waits until it has ended, however it ends. */
export async function runToItsEnd(manager: IBackgroundWorkerManager, worker: string): Promise<void> {
  const runId = await manager.trigger(worker)
  await waitForRun(manager, worker, { runId, timeoutMs: 60_000 })
  // A worker is free a moment after its run has its outcome.
  await expect.poll(async () => (await manager.get(worker))?.activeRun).toBeUndefined()
}

/** Runs a worker, and waits until it has begun. */
export async function startRun(manager: IBackgroundWorkerManager, worker: string): Promise<void> {
  await manager.trigger(worker)
  await expect.poll(async () => (await manager.get(worker))?.activeRun?.startedAt).toBeDefined()
}

/** The line of a worker in the list. */
export function rowOf(page: Page, worker: string): Locator {
  return page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: worker, exact: true }) })
}

/** The names in the list, in the order in which they stand there. */
export function namesIn(page: Page): Promise<string[]> {
  return page.getByRole('rowheader').allTextContents()
}

/** The lines of the records of a worker's page, the newest first. */
export function recordsIn(page: Page): Locator {
  return page.getByRole('region', { name: 'Records' }).locator('[data-run]')
}

/** The errors among them. */
export function errorsIn(page: Page): Locator {
  return page.getByRole('region', { name: 'Records' }).getByRole('group')
}

/** Opens the dialog of an action, as a person who clicks it. */
export async function openDialog(page: Page, action: string): Promise<Locator> {
  // Until its script is there, the page that asks is opened in place of a dialog.
  await page.waitForLoadState()
  await page.getByRole('list', { name: 'Actions' }).getByRole('link', { name: action, exact: true }).click()
  const dialog = page.getByRole('dialog', { name: action, exact: true })
  await dialog.waitFor()
  return dialog
}

/** Leaves something that a reload takes away. */
export async function mark(page: Page): Promise<void> {
  await page.evaluate(() => Object.assign(window, { isMarked: true }))
}

/** Whether the page has not been loaded again since. */
export function isMarked(page: Page): Promise<boolean> {
  return page.evaluate(() => 'isMarked' in window)
}

/** Clicks what confirms, and waits for the page that says it is done. */
export async function confirm(dialog: Locator, action: string, done: string): Promise<void> {
  await dialog.getByRole('button', { name: action, exact: true }).click()
  await dialog.page().getByRole('status').filter({ hasText: done }).waitFor()
  await dialog.page().waitForLoadState()
}

/** Takes out of the faults that the browser was answered so; another one fails the test. */
export function expectOnlyStatuses({ visit }: Stage, ...statuses: readonly number[]): void {
  const isExpected = (fault: string) => statuses.some((status) => new RegExp(`\\b${status}\\b`).test(fault))
  expect(visit.faults.splice(0).filter((fault) => !isExpected(fault))).toEqual([])
}
