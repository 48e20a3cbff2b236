import { safeLogger } from '@background-workers/abstractions/for-managers'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { expect, it } from 'vitest'
import { ErrorLog } from './error-log.ts'

it('logs an error once, however many fields could not be read before', () => {
  const logger = new RecordingLogger()
  const log = new ErrorLog(safeLogger(logger))
  for (let number = 0; number < 1_000; number++) log.malformed(`last:worker-${number}`)
  for (let number = 0; number < 3; number++) log.error(new Error(`job ${number} is gone`))
  const levels = logger.lines.map(({ level }) => level)
  expect(levels.filter((level) => level === 'error')).toHaveLength(1)
  expect(levels.filter((level) => level === 'warn')).toHaveLength(100)
})
