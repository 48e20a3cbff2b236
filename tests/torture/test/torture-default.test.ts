import { expect, it } from 'vitest'
import { writeScript } from '../src/script.ts'
import { forget, torture } from '../src/torture.ts'

it('the default manager with a lock on Redis keeps its promises for a minute of faults', async () => {
  const script = writeScript({ seed: 1997, minutes: 1, seats: 3 })
  const result = await torture({ script, manager: 'default' })
  expect(result.complaint).toBe('')
  expect(result.summary.faults).toBe(script.faults.length)
  expect(result.summary.slots).toBeGreaterThan(300)
  await forget(result)
})
