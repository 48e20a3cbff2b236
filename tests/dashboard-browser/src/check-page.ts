import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

const FOLDER = fileURLToPath(new URL('../screenshots/', import.meta.url))

/** Keeps a screenshot of a page, and checks that nothing is too wide and that axe finds nothing serious. */
export async function checkPage(page: Page, name: string): Promise<void> {
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
  expect(passes.length).toBeGreaterThanOrEqual(5)
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  expect(grave.map(({ id, help, nodes }) => ({ name, id, help, at: nodes.map(({ html }) => html) }))).toEqual([])
}
