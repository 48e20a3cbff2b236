import { expect, it } from 'vitest'
import { pauseInfo } from './pause-info.ts'

it('says since when a worker is paused; a second pause changes why and by whom only', () => {
  const first = pauseInfo({ note: 'deploy', by: 'ann' }, undefined, 1_000)
  expect(first).toEqual({ note: 'deploy', by: 'ann', since: new Date(1_000) })
  expect(pauseInfo({ by: 'bob' }, first, 2_000)).toEqual({ by: 'bob', since: new Date(1_000) })
})
