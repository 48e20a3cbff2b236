import { describe, expect, it } from 'vitest'
import { InvalidOptionsError } from './errors.ts'
import { EventHub } from './event-hub.ts'
import { safeLogger } from './safe-logger.ts'
import { RecordingLogger } from './testing/recording-logger.ts'

function createHub() {
  const logger = new RecordingLogger()
  return { logger, hub: new EventHub(safeLogger(logger)) }
}

describe('EventHub', () => {
  it('hands an event to its listeners, in the order they were added, and to no others', () => {
    const { hub } = createHub()
    const calls: string[] = []
    hub.on('worker-added', ({ worker }) => calls.push(`first ${worker}`))
    hub.on('worker-added', ({ worker }) => calls.push(`second ${worker}`))
    hub.on('worker-removed', () => calls.push('other'))
    hub.emit('worker-added', { worker: 'w' })
    expect(calls).toEqual(['first w', 'second w'])
  })

  it('stops calling a listener that was taken back; twice is no harm', () => {
    const { hub } = createHub()
    let calls = 0
    const stop = hub.on('worker-added', () => calls++)
    hub.emit('worker-added', { worker: 'w' })
    stop()
    stop()
    hub.emit('worker-added', { worker: 'w' })
    expect(calls).toBe(1)
  })

  it('takes the same function twice and takes one of them back', () => {
    const { hub } = createHub()
    let calls = 0
    const listener = () => calls++
    const stop = hub.on('worker-added', listener)
    hub.on('worker-added', listener)
    hub.emit('worker-added', { worker: 'w' })
    stop()
    hub.emit('worker-added', { worker: 'w' })
    expect(calls).toBe(3)
  })

  it('lets a listener add and take back listeners while it is called', () => {
    const { hub } = createHub()
    const calls: string[] = []
    const stop = hub.on('worker-added', () => {
      calls.push('first')
      stop()
      hub.on('worker-added', () => calls.push('late'))
    })
    hub.on('worker-added', () => calls.push('second'))
    hub.emit('worker-added', { worker: 'w' })
    expect(calls).toEqual(['first', 'second'])
    hub.emit('worker-added', { worker: 'w' })
    expect(calls).toEqual(['first', 'second', 'second', 'late'])
  })

  it('logs what a listener throws or rejects with and goes on', async () => {
    const { hub, logger } = createHub()
    const thrown = new Error('thrown')
    const rejected = new Error('rejected')
    let calls = 0
    hub.on('worker-added', () => {
      throw thrown
    })
    hub.on('worker-added', async () => {
      throw rejected
    })
    hub.on('worker-added', () => calls++)
    hub.emit('worker-added', { worker: 'w' })
    await new Promise((resolve) => setImmediate(resolve))
    expect(calls).toBe(1)
    expect(logger.linesOf('a listener failed').map(({ level, data }) => [level, data])).toEqual([
      ['error', { err: thrown, event: 'worker-added' }],
      ['error', { err: rejected, event: 'worker-added' }],
    ])
  })

  it.each<[unknown, unknown, RegExp]>([
    ['run-ended', () => {}, /^on: the event must be 'run-started' or 'run-retrying' or .*, got "run-ended"\.$/],
    ['__proto__', () => {}, /^on: the event must be .*, got "__proto__"\.$/],
    [undefined, () => {}, /^on: the event must be .*, got undefined\.$/],
    ['run-started', undefined, /^on\('run-started'\): the listener must be a function\.$/],
    ['run-started', {}, /^on\('run-started'\): the listener must be a function\.$/],
  ])('refuses on(%s, %s)', (event, listener, message) => {
    const { hub } = createHub()
    expect(() => hub.on(event as never, listener as never)).toThrow(InvalidOptionsError)
    expect(() => hub.on(event as never, listener as never)).toThrow(message)
  })
})
