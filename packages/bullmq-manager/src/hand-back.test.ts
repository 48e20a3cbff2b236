import { describe, expect, it } from 'vitest'
import { HAND_BACK_MS, handBackMs } from './hand-back.ts'

describe('handBackMs', () => {
  it('lets another instance have the run soon where one has its worker, and does not ask it ever faster while it is busy', () => {
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

  it('gives others time to come where none has its worker', () => {
    expect([0, 1, 5].map((handBacks) => handBackMs(handBacks, false))).toEqual([
      HAND_BACK_MS,
      HAND_BACK_MS,
      HAND_BACK_MS,
    ])
  })
})
