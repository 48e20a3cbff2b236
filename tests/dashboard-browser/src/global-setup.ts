import type { TestProject } from 'vitest/node'
import { provideChromium } from './provide-chromium.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The browser program that the tests start. */
    chromiumPath: string
  }
}

/** Gives a vitest project a Chromium, as `inject('chromiumPath')`. */
export default async function setUp(project: TestProject): Promise<void> {
  project.provide('chromiumPath', await provideChromium())
}
