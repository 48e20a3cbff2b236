import { EventHub, HealthMonitor, safeLogger } from '@background-workers/abstractions/for-managers'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { Connection } from './connection.ts'

it('tells of no outage when a heartbeat is refused after it was closed', () => {
  const recording = new RecordingLogger()
  const logger = safeLogger(recording)
  const events = new EventHub(logger)
  const health = new HealthMonitor(events)
  const client = new Redis({ lazyConnect: true })
  const connection = new Connection({ connection: client, commandTimeoutMs: 1_000, logger, events, health })
  connection.close()
  connection.noteFailure(new Error('READONLY'))
  expect(health.reasons).toEqual([])
  expect(recording.lines).toEqual([])
})
