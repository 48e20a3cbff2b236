import { describe } from 'vitest'
import { testActing } from './acting.ts'
import { testAppearance } from './appearance.ts'
import type { CreateManager } from './application.ts'
import { testHostileTexts } from './hostile.ts'
import { launchBrowser } from './launch-browser.ts'
import { testLooking } from './looking.ts'
import { testPermissions } from './permissions.ts'
import { type OpenStage, stageOpener } from './stage.ts'

/**
 * Uses the dashboard in a browser, on a manager of the application's choice.
 * @param manager names it, in titles and in the names of screenshots
 * @param testMore tests what only this manager has, on stages with managers of its choice
 */
export function dashboardSuite(
  manager: string,
  createManager: CreateManager,
  testMore: (stageOn: (createOther: CreateManager) => OpenStage) => void = () => {},
): void {
  describe(`the dashboard of the ${manager} manager, in a browser`, () => {
    const browser = launchBrowser()
    const stageOn = (create: CreateManager) => stageOpener(create, browser)
    const open = stageOn(createManager)
    testLooking(open)
    testActing(open)
    testPermissions(open)
    testHostileTexts(open)
    testAppearance(open, manager)
    testMore(stageOn)
  })
}
