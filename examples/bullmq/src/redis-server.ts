import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readVersion, withRedis } from './redis-client.ts'

/** Where `redis-server` or `valkey-server` is, if one is on the PATH. */
export function findRedisServer(): string | undefined {
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

/** Starts that program. Dispose it: server and files are gone then. */
export async function startRedisServer(program: string): Promise<RedisServer> {
  const server = new RedisServer(program, await freePort(), await mkdtemp(join(tmpdir(), 'example-redis-')))
  try {
    await server.start()
    return server
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}

/** A redis-server on 127.0.0.1 that writes what it is told to disk at once, in a temporary folder. */
class RedisServer implements AsyncDisposable {
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
