import { describe, expect, it } from 'vitest'
import { safeLogger } from './safe-logger.ts'
import { type Logger, silentLogger } from './logger.ts'
import { RecordingLogger } from './testing/recording-logger.ts'

const levels = ['debug', 'info', 'warn', 'error'] as const

describe('safeLogger', () => {
  it.each(levels)('hands on lines of level %s', (level) => {
    const logger = new RecordingLogger()
    safeLogger(logger)[level]({ a: 1 }, 'hello')
    expect(logger.lines).toEqual([{ level, message: 'hello', data: { a: 1 } }])
  })

  it('writes nothing, and fails nowhere, without a logger', () => {
    expect(() => safeLogger(undefined).child({ a: 1 }).error({}, 'x')).not.toThrow()
  })

  it('binds the data of all its ancestors', () => {
    const logger = new RecordingLogger()
    safeLogger(logger).child({ worker: 'w' }).child({ runId: 'r' }).info({ a: 1 }, 'x')
    expect(logger.lines[0]?.data).toEqual({ worker: 'w', runId: 'r', a: 1 })
  })

  it('merges the bindings into the data where the logger makes no children', () => {
    const lines: unknown[] = []
    const note = (level: string) => (data: object, message?: string) => void lines.push([level, data, message])
    const child = safeLogger({
      debug: note('debug'),
      info: note('info'),
      warn: note('warn'),
      error: note('error'),
    }).child({ worker: 'w' })
    for (const level of levels) child[level]({ worker: 'other', a: 1 }, 'x')
    expect(lines).toEqual(levels.map((level) => [level, { worker: 'other', a: 1 }, 'x']))
    child.info({}, 'y')
    expect(lines.at(-1)).toEqual(['info', { worker: 'w' }, 'y'])
    child.info('only a sentence')
    expect(lines.at(-1)).toEqual(['info', { worker: 'w' }, 'only a sentence'])
  })

  it('keeps an error that comes in the place of data', () => {
    const lines: unknown[] = []
    const error = new Error('boom')
    safeLogger(silentMethods((...line: unknown[]) => void lines.push(line)))
      .child({ worker: 'w' })
      .error(error)
    expect(lines).toEqual([[{ worker: 'w', err: error }, undefined]])
  })

  it('takes a sentence without data', () => {
    const logger = new RecordingLogger()
    safeLogger(logger).child({ worker: 'w' }).warn('x')
    expect(logger.lines).toEqual([{ level: 'warn', message: 'x', data: { worker: 'w' } }])
  })

  it('neither makes a child logger nor hands on a line for a level that is not written', () => {
    const written: string[] = []
    const children: object[] = []
    const target = { ...silentMethods(), info: (_data: object, message?: string) => void written.push(String(message)) }
    const child = safeLogger({
      ...silentMethods(),
      isLevelEnabled: (level) => level !== 'debug',
      child: (bindings) => {
        children.push(bindings)
        return { ...target, debug: () => void written.push('debug') }
      },
    }).child({ worker: 'w' })
    child.debug({}, 'one')
    expect([child.isLevelEnabled('debug'), children, written]).toEqual([false, [], []])
    child.info({}, 'two')
    expect([child.isLevelEnabled('info'), children, written]).toEqual([true, [{ worker: 'w' }], ['two']])
  })

  it('writes what a logger adds to the silent one', () => {
    const written: string[] = []
    safeLogger({ ...silentLogger, error: (_data, message) => void written.push(String(message)) }).error({}, 'x')
    expect(written).toEqual(['x'])
    expect(safeLogger(undefined).child({ worker: 'w' }).isLevelEnabled('error')).toBe(false)
  })

  it('writes where a logger can not say which levels it writes', () => {
    const logger = Object.assign(new RecordingLogger(), {
      isLevelEnabled: () => {
        throw new Error('no levels')
      },
    })
    safeLogger(logger).debug({}, 'x')
    expect(logger.lines).toMatchObject([{ level: 'debug', message: 'x' }])
  })

  it('makes one child logger, at the first line', () => {
    let children = 0
    const parent = new RecordingLogger()
    const logger: Logger = {
      ...silentMethods(),
      child(bindings) {
        children++
        return parent.child(bindings)
      },
    }
    const child = safeLogger(logger).child({ worker: 'w' })
    expect(children).toBe(0)
    child.info({}, 'one')
    child.info({}, 'two')
    expect(children).toBe(1)
    expect(parent.lines).toHaveLength(2)
  })

  it('drops what the logger throws', () => {
    const logger = safeLogger({ ...silentMethods(thrower), child: thrower })
    for (const level of levels) {
      expect(() => logger[level]({}, 'x')).not.toThrow()
      expect(() => logger.child({ a: 1 })[level]({}, 'x')).not.toThrow()
    }
  })

  it('drops what an asynchronous logger rejects with', async () => {
    const rejections: unknown[] = []
    const listen = (reason: unknown) => rejections.push(reason)
    process.on('unhandledRejection', listen)
    const reject = async () => {
      throw new Error('disk full')
    }
    for (const level of levels) safeLogger(silentMethods(reject as never))[level]({}, 'x')
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', listen)
    expect(rejections).toEqual([])
  })

  it('keeps the logger as `this` of its methods', () => {
    class Counting {
      #lines = 0
      debug() {}
      info() {
        this.#lines++
      }
      warn() {}
      error() {}
      get lines() {
        return this.#lines
      }
    }
    const logger = new Counting()
    safeLogger(logger).child({ a: 1 }).info({}, 'x')
    safeLogger(logger).info({}, 'x')
    expect(logger.lines).toBe(2)
  })
})

const thrower = (): never => {
  throw new Error('no log')
}

function silentMethods(method: (...line: unknown[]) => void = () => {}): Logger {
  return { debug: method, info: method, warn: method, error: method }
}
