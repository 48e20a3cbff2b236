import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'

/** The Redis of an example: the one that `REDIS_URL` names, or a server that the example starts for itself. */
export interface ExampleRedis extends AsyncDisposable {
  readonly url: string
  /** What it is, in a few words. */
  readonly description: string
  /** Stops the server and starts it again on the files it has written; none where the server is not the example's. */
  restart?(): Promise<void>
}

/** There is no Redis, or it does not answer. The message says what to do. */
export class NoRedisError extends Error {}

/** @throws NoRedisError */
export async function provideRedis(): Promise<ExampleRedis> {
  const url = process.env.REDIS_URL
  if (url) return useExisting(url)
  const program = findServer()
  if (program) return startOwn(program)
  throw new NoRedisError(
    [
      'This example needs Redis 6.2 or newer (or Valkey), and there is none: REDIS_URL is not set, and the PATH has neither',
      'redis-server nor valkey-server. Install one, and the example starts it by itself:',
      '  Debian, Ubuntu   sudo apt-get install redis-server',
      '  Fedora, RHEL     sudo dnf install valkey',
      '  Alpine           sudo apk add redis',
      '  macOS            brew install redis',
      'Or say where one runs. The example uses keys of its own and removes them at the end:',
      '  REDIS_URL=redis://127.0.0.1:6379 npm run …',
    ].join('\n'),
  )
}

/** A name that no other application has, so that an example can share a Redis. */
export function randomApplicationName(example: string): string {
  return `${example}-${randomBytes(6).toString('hex')}`
}

/** Opens a client for one use. */
export async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    // Else a timer keeps the process for 2 s.
    disconnectTimeout: 100,
  })
  // `connect` says only that it failed; why, comes here.
  let reason: Error | undefined
  redis.on('error', (error) => {
    reason = error
  })
  try {
    await redis.connect().catch((error: unknown) => {
      throw reason ?? error
    })
    return await use(redis)
  } finally {
    redis.disconnect()
  }
}

/** Removes every key with the application's (random) name in it. */
export async function removeKeys(url: string, applicationName: string): Promise<void> {
  await withRedis(url, async (redis) => {
    for await (const keys of redis.scanStream({ match: `*${applicationName}*`, count: 1_000 })) {
      for (const key of keys) await redis.unlink(key)
    }
  })
}

async function useExisting(url: string): Promise<ExampleRedis> {
  try {
    const version = await withRedis(url, readVersion)
    return {
      url,
      description: `${version} at ${new URL(url).host}, where REDIS_URL points`,
      [Symbol.asyncDispose]: async () => {},
    }
  } catch (cause) {
    const { message } = cause as Error
    throw new NoRedisError(`No Redis answers where REDIS_URL points (${message}). Start it, or unset REDIS_URL.`, {
      cause,
    })
  }
}

async function startOwn(program: string): Promise<ExampleRedis> {
  const server = new OwnServer(program, await freePort(), await mkdtemp(join(tmpdir(), 'example-redis-')))
  try {
    await server.start()
    return server
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}

/** A redis-server on 127.0.0.1 that writes what it is told to disk at once, in a temporary folder. */
class OwnServer implements ExampleRedis {
  readonly url: string
  description = ''
  readonly #program: string
  readonly #port: number
  readonly #folder: string
  #process: ChildProcess | undefined
  #watchdog: ChildProcess | undefined

  constructor(program: string, port: number, folder: string) {
    this.#program = program
    this.#port = port
    this.#folder = folder
    this.url = `redis://127.0.0.1:${port}`
  }

  async start(): Promise<void> {
    const where = ['--bind', '127.0.0.1', '--port', String(this.#port), '--dir', this.#folder]
    const persistence = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
    // Detached: a Ctrl+C is for the example, which then stops it.
    const server = spawn(this.#program, [...where, ...persistence], { detached: true, stdio: 'ignore' })
    this.#process = server
    this.#watchdog = watch(server, this.#folder)
    const ended = new Promise<never>((_, reject) => {
      server.once('error', reject)
      server.once('exit', (code) => reject(new Error(`${this.#program} ended with ${code}`)))
    })
    const version = await Promise.race([this.#firstAnswer(), ended])
    this.description = `${version} on port ${this.#port} of 127.0.0.1, started for this, with append-only persistence`
  }

  async restart(): Promise<void> {
    await this.#stop()
    await this.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #stop(): Promise<void> {
    const server = this.#process
    if (server?.pid !== undefined && server.exitCode === null && server.signalCode === null) {
      const ended = once(server, 'exit')
      server.kill('SIGTERM')
      await ended
    }
    this.#watchdog?.kill('SIGKILL')
  }

  async #firstAnswer(): Promise<string> {
    const endsAt = performance.now() + 20_000
    for (;;) {
      try {
        return await withRedis(this.url, readVersion)
      } catch (error) {
        if (performance.now() > endsAt) throw error
        await sleep(20)
      }
    }
  }
}

/** Ends the server, and removes its folder, should this process be killed: the kernel closes the pipe then. */
function watch(server: ChildProcess, folder: string): ChildProcess | undefined {
  if (server.pid === undefined) return undefined
  const script = 'read -r _; kill -9 "$1"; rm -rf -- "$2"'
  const watchdog = spawn('sh', ['-c', script, 'watchdog', String(server.pid), folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  watchdog.on('error', () => {})
  return watchdog
}

function findServer(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const files = ['redis-server', 'valkey-server'].flatMap((name) => folders.map((folder) => join(folder, name)))
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function readVersion(redis: Redis): Promise<string> {
  const info = await redis.info('server')
  const valkey = /valkey_version:(\S+)/.exec(info)?.[1]
  return valkey ? `Valkey ${valkey}` : `Redis ${/redis_version:(\S+)/.exec(info)?.[1]}`
}
