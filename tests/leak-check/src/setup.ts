import { afterAll } from 'vitest'
import { currentHoldings, waitForNoLeaks } from './leaks.ts'

// Runs before each test file (`setupFiles`), so its hook is the last of that file. A timer that is armed already is the
// runner's and soon gone; counted, it would hide one that the file leaves behind.
const before = { ...currentHoldings(), Timeout: 0 }

afterAll(async () => {
  const leaks = await waitForNoLeaks(before, 2_000)
  if (leaks.length > 0) {
    throw new Error(
      `This test file leaves behind: ${leaks.join(', ')}. Stop every manager, close every connection, take back every listener.`,
    )
  }
  // Without a time limit of the runner, whose timer would be counted.
}, 0)
