import { expect, it } from 'vitest'
import { writeScript } from '../src/script.ts'
import { forget, torture } from '../src/torture.ts'

it('the BullMQ manager keeps its promises for a minute of faults', { timeout: 240_000 }, async () => {
  // In less a process can not be killed and leave a quiet end.
  const script = writeScript({ seed: 158, minutes: 1.1, seats: 3 })
  const result = await torture({ script, manager: 'bullmq' })
  expect(result.complaint).toBe('')
  expect(result.summary.faults).toBeGreaterThanOrEqual(6)
  expect(result.summary.slots).toBeGreaterThan(300)
  await forget(result)
})
