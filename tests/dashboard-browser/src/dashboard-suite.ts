import { describe } from 'vitest'
import { testActing } from './acting.ts'
import { testAppearance } from './appearance.ts'
import type { CreateManager } from './application.ts'
import { testHostileTexts } from './hostile.ts'
import { launchBrowser } from './launch-browser.ts'
import { testLooking } from './looking.ts'
import { stageOpener } from './stage.ts'

/**
 * Uses the dashboard in a browser, on a manager of the application's choice.
 * @param manager names it, in titles and in the names of screenshots
 */
export function dashboardSuite(manager: string, createManager: CreateManager): void {
  describe(`the dashboard of the ${manager} manager, in a browser`, () => {
    const open = stageOpener(createManager, launchBrowser())
    testLooking(open)
    testActing(open)
    testHostileTexts(open)
    testAppearance(open, manager)
  })
}
