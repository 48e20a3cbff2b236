import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { withClient } from './client.ts'
import { findRedisServer, HOW_TO_GET_REDIS } from './find-redis-server.ts'
import { WatchedProcess } from './watched-process.ts'

/** What `startRedis` takes. */
export interface RedisServerOptions {
  /** @default a free one */
  readonly port?: number
  /** Where it keeps its files. @default a temporary folder, which `cleanUp()` removes; yours is left alone */
  readonly dir?: string
  /** More of the command line, as in `['--maxmemory', '10mb']`; wins over everything else. */
  readonly args?: readonly string[]
  /** Writes each command to disk before it answers, so that `kill()` and `restart()` lose nothing. @default false */
  readonly appendOnly?: boolean
  /** What the default user needs. The `url` contains it. @default none */
  readonly password?: string
  /** A file with the users. Put the one that `cli()` should be into its `default`, with `password` if it has one. */
  readonly aclFile?: string
}

/**
 * Starts a Redis of the test's own, to break as it likes. It listens on 127.0.0.1, keeps nothing on disk unless
 * `appendOnly`, and dies with this process, however that ends. End it with `cleanUp()`.
 * @throws an error that says what to install when there is no redis-server
 */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const program = findRedisServer()
  if (!program) {
    throw new Error(
      `This test breaks a Redis of its own, for which redis-server or valkey-server must be on the PATH. REDIS_URL and Docker do not do for it.\n${HOW_TO_GET_REDIS}`,
    )
  }
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'test-redis-')))
  for (let attempt = 1; ; attempt += 1) {
    const server = new RedisServer(program, options.port ?? (await freePort()), dir, options)
    try {
      await server.restart()
      return server
    } catch (error) {
      // somebody else may have taken the free port in between
      const mayTryAgain = options.port === undefined && attempt < 5 && /in use/i.test((error as Error).message)
      if (mayTryAgain) continue
      await server.cleanUp()
      throw error
    }
  }
}

/** One redis-server process at a time, on the same port and in the same folder. */
export class RedisServer {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly dir: string
  readonly url: string
  readonly #program: string
  readonly #options: RedisServerOptions
  #process: WatchedProcess | undefined

  constructor(program: string, port: number, dir: string, options: RedisServerOptions) {
    this.#program = program
    this.port = port
    this.dir = dir
    this.#options = options
    const credentials = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`
    this.url = `redis://${credentials}${this.host}:${port}`
  }

  /** @throws when the server is down */
  get pid(): number {
    return this.#running().pid
  }

  get isRunning(): boolean {
    return this.#process?.isRunning ?? false
  }

  /** Stops it if it runs, and starts it on the same port and folder; resolves when it has loaded its data and answers. */
  async restart(): Promise<void> {
    await this.stop()
    const folderToRemove = this.#options.dir === undefined ? this.dir : ''
    this.#process = new WatchedProcess(this.#program, this.#args(), this.dir, this.#log, folderToRemove)
    await this.#waitUntilReady(this.#process)
  }

  /** Asks it to end, also when it is suspended, and kills it if it has not after 5 s. Nothing when it is down. */
  async stop(): Promise<void> {
    this.#process?.signal('SIGTERM')
    this.#process?.signal('SIGCONT')
    if ((await this.#process?.waitForEnd(5_000)) === false) await this.kill()
  }

  /** SIGKILL: it has no time to save anything or to say goodbye. Nothing when it is down. */
  async kill(): Promise<void> {
    this.#process?.signal('SIGKILL')
    await this.#process?.waitForEnd()
  }

  /** SIGSTOP: connections stay open, new ones are accepted by the kernel, and nothing is answered. */
  suspend(): void {
    this.#running().signal('SIGSTOP')
  }

  /** SIGCONT: goes on after `suspend()`. */
  resume(): void {
    this.#running().signal('SIGCONT')
  }

  /** Sends one command on a connection of its own, as in `cli('set', 'key', '1')`; lists come back a line each, nil as ''. */
  cli(command: string, ...args: string[]): Promise<string> {
    return withClient(this.url, async (client) => render(await client.call(command, ...args)))
  }

  /** Kills it and removes the folder that was made for it. */
  async cleanUp(): Promise<void> {
    await this.kill()
    if (this.#options.dir === undefined) await rm(this.dir, { recursive: true, force: true })
  }

  #running(): WatchedProcess {
    if (!this.#process?.isRunning) throw new Error(`The Redis on port ${this.port} is down. Call restart() first.`)
    return this.#process
  }

  #args(): string[] {
    const { appendOnly = false, password, aclFile, args = [] } = this.#options
    return [
      ...['--bind', this.host, '--port', String(this.port), '--unixsocket', this.#socket, '--dir', this.dir],
      ...['--loglevel', 'warning', '--logfile', this.#log, '--save', ''],
      ...(appendOnly ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no']),
      ...(password === undefined ? [] : ['--requirepass', password]),
      ...(aclFile === undefined ? [] : ['--aclfile', aclFile]),
      ...args,
    ]
  }

  // Answers on the socket in our own folder are ours for sure; on the port they could be another server's.
  get #socket(): string {
    return join(this.dir, 'redis.sock')
  }

  get #log(): string {
    return join(this.dir, 'redis.log')
  }

  async #waitUntilReady(starting: WatchedProcess): Promise<void> {
    const endsAt = performance.now() + 60_000
    while (starting.isRunning && performance.now() < endsAt) {
      const answer = await firstAnswer(this.#socket)
      // an error is an answer too: the default user may need a password
      if (answer !== undefined && !answer.startsWith('-LOADING')) return
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await this.kill()
    const said = (await readFile(this.#log, 'utf8')).trim().slice(-2_000)
    throw new Error(`${this.#program} did not start on port ${this.port}. It said:\n${said}`)
  }
}

function firstAnswer(socketPath: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(socketPath)
    socket.setTimeout(1_000, () => socket.destroy())
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.once('data', (data) => {
      resolve(data.toString())
      socket.destroy()
    })
    socket.once('error', () => {})
    socket.once('close', () => resolve(undefined))
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

function render(reply: unknown): string {
  if (Array.isArray(reply)) return reply.map(render).join('\n')
  if (reply === null || reply === undefined) return ''
  return typeof reply === 'object' ? JSON.stringify(reply) : String(reply as string | number)
}
