import type { StoreUnavailableError } from '@background-workers/abstractions'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Heartbeat, type HeartbeatParts } from './heartbeat.ts'

/** A heartbeat without Redis. */
function createHeartbeat(beat: () => Promise<unknown>, isSettled = () => true) {
  const parts = {
    connection: {
      client: { on: () => undefined, off: () => undefined },
      isReady: true,
      isLost: false,
      noteAnswer: () => undefined,
      checkSilence: async () => undefined,
    },
    reconciler: {
      beat,
      noteStale: () => undefined,
      get isSettled() {
        return isSettled()
      },
    },
    cancelRequests: { heed: async () => undefined },
    onError: () => undefined,
  }
  return new Heartbeat(parts as unknown as HeartbeatParts)
}

describe('Heartbeat', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('comes round while its beats end, well or not', async () => {
    let beats = 0
    const heartbeat = createHeartbeat(async () => {
      if (++beats % 2 === 0) throw new Error('refused')
      return { cancels: new Map() }
    })
    heartbeat.start()
    await vi.advanceTimersByTimeAsync(300_000)
    expect(beats).toBe(30)
    expect(heartbeat.isComingRound).toBe(true)
    heartbeat.stop()
  })

  it('does not come round when a beat has not ended for a minute; a stop is no concern', async () => {
    const heartbeat = createHeartbeat(() => new Promise(() => {}))
    heartbeat.start()
    await vi.advanceTimersByTimeAsync(59_999)
    expect(heartbeat.isComingRound).toBe(true)
    await vi.advanceTimersByTimeAsync(1)
    expect(heartbeat.isComingRound).toBe(false)
    heartbeat.stop()
    expect(heartbeat.isComingRound).toBe(true)
  })

  it('declares until it has written all, and neither longer than it is told to nor after a stop', async () => {
    let beats = 0
    let isSettled = false
    const heartbeat = createHeartbeat(
      async () => void beats++,
      () => isSettled,
    )
    const declare = async (duringIt: () => void = () => {}) => {
      beats = 0
      isSettled = false
      let outcome = 'pending'
      heartbeat.declare(1_000).then(
        () => (outcome = 'declared'),
        ({ code }: StoreUnavailableError) => (outcome = code),
      )
      await vi.advanceTimersByTimeAsync(200)
      expect([beats, outcome]).toEqual([5, 'pending'])
      duringIt()
      await vi.advanceTimersByTimeAsync(60_000)
      return { beats, outcome }
    }
    expect(await declare()).toEqual({ beats: 19, outcome: 'store-unavailable' })
    expect(await declare(() => (isSettled = true))).toEqual({ beats: 6, outcome: 'declared' })
    expect(await declare(() => heartbeat.stop())).toEqual({ beats: 6, outcome: 'declared' })
  })
})
