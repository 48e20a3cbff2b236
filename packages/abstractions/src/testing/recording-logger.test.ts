import { describe, expect, it } from 'vitest'
import { RecordingLogger } from './recording-logger.ts'

describe('RecordingLogger', () => {
  it('keeps the lines of all levels in order', () => {
    const logger = new RecordingLogger()
    for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level]({ level }, `a ${level}`)
    expect(logger.lines.map(({ level, message, data }) => [level, message, data])).toEqual([
      ['debug', 'a debug', { level: 'debug' }],
      ['info', 'a info', { level: 'info' }],
      ['warn', 'a warn', { level: 'warn' }],
      ['error', 'a error', { level: 'error' }],
    ])
  })

  it('shares its lines with its children, whose bindings are in the data', () => {
    const logger = new RecordingLogger()
    logger.child({ worker: 'w', a: 1 }).child({ runId: 'r' }).info({ a: 2 }, 'x')
    expect(logger.lines).toEqual([{ level: 'info', message: 'x', data: { worker: 'w', runId: 'r', a: 2 } }])
  })

  it('keeps an error that comes in the place of data', () => {
    const logger = new RecordingLogger()
    const error = new Error('boom')
    logger.child({ worker: 'w' }).error(error)
    expect(logger.lines).toEqual([{ level: 'error', message: '', data: { worker: 'w', err: error } }])
  })

  it('finds the lines with a message; one without a message has an empty one', () => {
    const logger = new RecordingLogger()
    logger.info({}, 'x')
    logger.warn({}, 'y')
    logger.error({}, 'x')
    logger.error({ a: 1 })
    expect(logger.linesOf('x').map(({ level }) => level)).toEqual(['info', 'error'])
    expect(logger.linesOf('')[0]?.data).toEqual({ a: 1 })
  })
})
