import type { Run } from '@background-workers/abstractions/for-managers'
import { expect, it } from 'vitest'
import { CancelRequests, type CancelRequestsParts } from './cancel-requests.ts'
import { RedisClock } from './redis-clock.ts'

it('a run that was cancelled here while it was decided is aborted as it starts, and does not wait for a heartbeat', async () => {
  const active = new Map<string, Run>()
  const aborts: unknown[] = []
  const requests = new CancelRequests({
    client: { hset: async () => 1, hdel: async () => 1 },
    keys: { cancels: 'cancels' },
    clock: new RedisClock(),
    heldRun: (runId: string) => active.get(runId),
  } as unknown as CancelRequestsParts)
  await requests.send('digest.1', 'ada')
  for (const runId of ['digest.1', 'digest.2']) {
    const abort = ({ by }: { by?: string }) => aborts.push([runId, by])
    active.set(runId, { record: { worker: 'digest' }, abort } as unknown as Run)
    requests.noteStarted(runId)
  }
  expect(aborts).toEqual([['digest.1', 'ada']])
})
