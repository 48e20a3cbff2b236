import { describe, expect, it } from 'vitest'
import { HAND_BACK_MS, handBackMs } from './hand-back.ts'

describe('handBackMs', () => {
  it('is short at first where another instance has the worker, and longer each time while that one is busy', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 1_000_000].map((handBacks) => handBackMs(handBacks, true))).toEqual([
      100,
      200,
      400,
      800,
      1_600,
      HAND_BACK_MS,
      HAND_BACK_MS,
      HAND_BACK_MS,
    ])
  })

  it('is long from the first time where no other instance has the worker', () => {
    expect([0, 1, 5].map((handBacks) => handBackMs(handBacks, false))).toEqual([
      HAND_BACK_MS,
      HAND_BACK_MS,
      HAND_BACK_MS,
    ])
  })
})
