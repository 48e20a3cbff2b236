import { describe, expect, it } from 'vitest'
import type { Instance } from './instances.ts'
import { LiveInstances } from './live-instances.ts'

const NOW = Date.UTC(2026, 0, 1)
const A_DAY_MS = 86_400_000

function instance(instanceId: string, lastSeenAt: number): Instance {
  return { instanceId, release: 1, startedAt: 0, lastSeenAt, queues: ['default'], namesVersion: 0, skewMs: 0 }
}

/** What one instance has seen: it has beaten with another one at `NOW`. */
function together() {
  const live = new LiveInstances()
  const beat = (now: number, others: readonly Instance[], isNamed = true) => {
    live.note([instance('me', now), ...others], now, !isNamed)
    return live.all.map(({ instanceId }) => instanceId)
  }
  beat(NOW, [instance('other', NOW)])
  return { live, beat }
}

describe('LiveInstances', () => {
  it('are those that beat within 30 s, while one beats itself', () => {
    const { beat } = together()
    const other = instance('other', NOW)
    expect(beat(NOW + 10_000, [other])).toEqual(['me', 'other'])
    expect(beat(NOW + 20_000, [other])).toEqual(['me', 'other'])
    expect(beat(NOW + 29_999, [other])).toEqual(['me', 'other'])
    expect(beat(NOW + 30_000, [other])).toEqual(['me'])
  })

  it('at a start believes what it finds', () => {
    const live = new LiveInstances()
    live.note([instance('dead', NOW - 30_000)], NOW, false)
    expect(live.all).toEqual([])
  })

  it.each([
    ['its own silence', NOW + 40_000],
    ['the clock of Redis was set ahead', NOW + A_DAY_MS],
    ['the clock of Redis was set back', NOW - A_DAY_MS],
  ])('after %s waits 30 s for those that lived before', (_, back) => {
    const { live, beat } = together()
    const other = instance('other', NOW)
    expect(beat(back, [other])).toEqual(['me', 'other'])
    expect(beat(back + 10_000, [other])).toEqual(['me', 'other'])
    expect(live.among([other], back + 29_999).map(({ instanceId }) => instanceId)).toEqual(['other'])
    expect(live.among([other], back + 30_000)).toEqual([])
    expect(beat(back + 20_000, [other])).toEqual(['me', 'other'])
    expect(beat(back + 30_000, [other])).toEqual(['me'])
  })

  it('after its own silence waits for one that has started since it last looked', () => {
    const { beat } = together()
    const [other, late] = [instance('other', NOW), instance('late', NOW + 5_000)]
    expect(beat(NOW + 45_000, [other, late, instance('dead', NOW - 60_000)])).toEqual(['me', 'other', 'late'])
    expect(beat(NOW + 60_000, [other, late])).toEqual(['me', 'other', 'late'])
    expect(beat(NOW + 75_000, [other, late])).toEqual(['me'])
  })

  it('does not wait for one that is back and stops then, nor for one that stopped meanwhile', () => {
    const { beat } = together()
    expect(beat(NOW + 40_000, [])).toEqual(['me'])

    const again = together()
    expect(again.beat(NOW + 40_000, [instance('other', NOW)])).toEqual(['me', 'other'])
    expect(again.beat(NOW + 50_000, [instance('other', NOW + 45_000)])).toEqual(['me', 'other'])
    expect(again.beat(NOW + 55_000, [])).toEqual(['me'])
  })

  it('waits for all when Redis was emptied', () => {
    const { beat } = together()
    expect(beat(NOW + 10_000, [], false)).toEqual(['me', 'other'])
    expect(beat(NOW + 20_000, [])).toEqual(['me', 'other'])
    expect(beat(NOW + 30_000, [])).toEqual(['me', 'other'])
    expect(beat(NOW + 40_000, [])).toEqual(['me'])
  })
})
