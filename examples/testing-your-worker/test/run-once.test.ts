import { ManualClock, RecordingLogger, runOnce } from '@background-workers/abstractions/testing'
import { describe, expect, it } from 'vitest'
import { PassiveUserCheckerWorker } from '../src/passive-user-checker-worker.ts'
import { FakeUserRepository } from './fake-user-repository.ts'

// Start here: one run, without a manager and without a schedule. It goes the way of every run, with scope, timeout and
// retries, and gives the record that a manager would keep.

const scheduledFor = new Date('2026-03-01T12:00:00Z')

function threeUsers(): FakeUserRepository {
  return new FakeUserRepository({ Ada: '2026-02-28', Alan: '2026-01-15', Edsger: '2025-06-01' })
}

describe('the work', () => {
  it('makes passive who has not logged in for 30 days', async () => {
    const userRepository = threeUsers()
    const record = await runOnce(new PassiveUserCheckerWorker(), { services: { userRepository }, scheduledFor })
    expect(record.outcome).toBe('succeeded')
    expect(userRepository.passive).toEqual(['Alan', 'Edsger'])
  })

  it('finds nobody at an earlier slot', async () => {
    const userRepository = threeUsers()
    const services = { userRepository }
    await runOnce(new PassiveUserCheckerWorker(), { services, scheduledFor: new Date('2025-06-15T00:00:00Z') })
    expect(userRepository.passive).toEqual([])
  })

  it('logs whom it has made passive, with worker and run bound to the line', async () => {
    const logger = new RecordingLogger()
    const services = { userRepository: threeUsers() }
    const { runId } = await runOnce(new PassiveUserCheckerWorker(), { services, scheduledFor, logger })
    expect(logger.linesOf('inactive users made passive')).toMatchObject([
      { level: 'info', data: { madePassive: ['Alan', 'Edsger'], worker: 'passive-user-checker', runId } },
    ])
  })
})

describe('a failure', () => {
  it('is in the record and in the log; it is not thrown', async () => {
    const clock = new ManualClock()
    const logger = new RecordingLogger()
    const userRepository = threeUsers()
    userRepository.failures = 3
    const running = runOnce(new PassiveUserCheckerWorker(), { services: { userRepository }, clock, logger })
    // The waits between the attempts: 1 s and 2 s.
    await clock.advance(3_000)
    expect(await running).toMatchObject({ outcome: 'failed', attempts: 3, error: { message: 'the database is away' } })
    expect(logger.lines.filter(({ level }) => level === 'error')).toHaveLength(1)
  })

  it('is over at the second attempt, if the database is back', async () => {
    const clock = new ManualClock()
    const userRepository = threeUsers()
    userRepository.failures = 1
    const options = { services: { userRepository }, scheduledFor, clock }
    const running = runOnce(new PassiveUserCheckerWorker(), options)
    await clock.advance(1_000)
    expect(await running).toMatchObject({ outcome: 'succeeded', attempts: 2 })
    expect(userRepository.passive).toEqual(['Alan', 'Edsger'])
  })
})

describe('the signal', () => {
  it('is heeded between two users: a cancelled run leaves the rest for the next one', async () => {
    const userRepository = threeUsers()
    const cancellation = new AbortController()
    userRepository.beforeEach = () => cancellation.abort()
    const options = { services: { userRepository }, scheduledFor, signal: cancellation.signal }
    const record = await runOnce(new PassiveUserCheckerWorker(), options)
    expect(record).toMatchObject({ outcome: 'aborted', reason: 'cancelled' })
    expect(userRepository.passive).toEqual(['Alan'])

    await runOnce(new PassiveUserCheckerWorker(), { services: { userRepository }, scheduledFor })
    expect(userRepository.passive).toEqual(['Alan', 'Edsger'])
  })

  it('is aborted after a minute', async () => {
    const clock = new ManualClock()
    const userRepository = threeUsers()
    const databaseAnswers = Promise.withResolvers<void>()
    userRepository.beforeEach = () => databaseAnswers.promise
    const running = runOnce(new PassiveUserCheckerWorker(), { services: { userRepository }, scheduledFor, clock })
    await clock.advance(60_000)
    // `runOnce` gives the record when `doWork` has returned. What it was is fixed before.
    databaseAnswers.resolve()
    expect(await running).toMatchObject({ outcome: 'failed', reason: 'timeout', durationMs: 60_000 })
    expect(userRepository.passive).toEqual(['Alan'])
  })
})
