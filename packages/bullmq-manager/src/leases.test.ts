import { expect, it, vi } from 'vitest'
import type { FetchedJob } from './hand-back.ts'
import { LEASE_MS, Leases } from './leases.ts'

it('a lease that is not renewed is told within a second after it has run out', () => {
  vi.useFakeTimers()
  try {
    const told: (readonly string[])[] = []
    const leases = new Leases((runIds) => {
      if (runIds.length > 0) told.push(runIds)
    })
    leases.watch()
    for (const id of ['lost', 'kept']) leases.add({ job: { id }, token: 'token' } as unknown as FetchedJob)
    vi.advanceTimersByTime(LEASE_MS)
    leases.renewed(['kept'])
    expect(told).toEqual([])
    vi.advanceTimersByTime(1_000)
    expect(told).toEqual([['lost']])
    leases.close()
  } finally {
    vi.useRealTimers()
  }
})
