import { type HealthReport, StoreUnavailableError } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { healthReader } from './health-reader.ts'

const FINE: HealthReport = { status: 'ok', reasons: [] }

describe('healthReader', () => {
  it('gives no health where it can not be read, and logs that once until it can be read again', async () => {
    const { read, logged } = setUp([new Error('first'), new Error('second'), FINE, new Error('third')])
    expect([await read(), await read(), await read(), await read()]).toEqual([undefined, undefined, FINE, undefined])
    expect(logged).toEqual(['first', 'third'])
  })

  it('says that the store is lost where it is away', async () => {
    const { read, logged } = setUp([new StoreUnavailableError('Redis does not answer.')])
    expect(await read()).toMatchObject({ status: 'unhealthy', reasons: [{ code: 'store-lost' }] })
    expect(logged).toEqual([])
  })
})

function setUp(answers: (HealthReport | Error)[]) {
  const logged: string[] = []
  const manager = {
    async health() {
      const answer = answers.shift()
      if (!answer || answer instanceof Error) throw answer
      return answer
    },
  }
  const error = (data: object) => logged.push((data as { err: Error }).err.message)
  return { logged, read: healthReader({ manager, errors: 'full' }, { error }) }
}
