import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Starts a proxy in front of the Redis at `targetUrl`, to break the connection in the ways networks do. End it with `close()`. */
export async function startTcpProxy(targetUrl: string): Promise<TcpProxy> {
  const proxy = new TcpProxy(targetUrl)
  await proxy.accept()
  return proxy
}

/** Passes bytes on, both ways and in order, until told to do worse. The faults can be combined. */
export class TcpProxy {
  readonly #target: URL
  readonly #links = new Set<Link>()
  readonly #line: Line = { delayMs: 0, isFrozen: false }
  #server: Server | undefined
  #port = 0

  constructor(targetUrl: string) {
    this.#target = new URL(targetUrl)
  }

  /** The URL of the target, credentials included, with the address of this proxy. */
  get url(): string {
    const url = new URL(this.#target)
    url.hostname = '127.0.0.1'
    url.port = String(this.#port)
    return url.href
  }

  /** Resets every connection at once; the next ones are welcome. */
  cut(): void {
    for (const link of this.#links) link.reset()
  }

  /** New connections are refused; those that are there stay. */
  refuse(): void {
    this.#server?.close()
    this.#server = undefined
  }

  /** New connections are accepted again, on the same port. */
  async accept(): Promise<void> {
    if (this.#server) return
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) =>
      this.#join(client),
    )
    this.#server = server
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
  }

  /** Whatever arrives from now on is passed on this much later, in each direction; 0 ends it. */
  delay(ms: number): void {
    this.#line.delayMs = ms
  }

  /** Half-open: connections are accepted and stay, and no byte gets through, not even their end. */
  freeze(): void {
    this.#line.isFrozen = true
    for (const link of this.#links) link.update()
  }

  /** Passes on what `freeze()` held back, and goes on. */
  thaw(): void {
    this.#line.isFrozen = false
    for (const link of this.#links) link.update()
  }

  /** Refuses and cuts; resolves when all sockets are gone. */
  async close(): Promise<void> {
    const server = this.#server
    const closed = server ? once(server, 'close') : undefined
    this.refuse()
    const links = [...this.#links]
    this.cut()
    // A reset waits until what was written has been taken, which the other end may never do.
    setImmediate(() => {
      for (const link of links) link.destroy()
    })
    await Promise.all([closed, ...links.map((link) => link.closed)])
  }

  #join(client: Socket): void {
    // It was on its way when new connections were refused; the server would wait for its end.
    if (!this.#server) {
      client.destroy()
      return
    }
    const port = Number(this.#target.port || 6379)
    const upstream = connect({ host: this.#target.hostname, port, allowHalfOpen: true, noDelay: true })
    const link = new Link(client, upstream, this.#line)
    this.#links.add(link)
    void link.closed.then(() => this.#links.delete(link))
  }
}

/** How the proxy treats what passes through it at the moment. */
interface Line {
  delayMs: number
  isFrozen: boolean
}

/** A client and its connection to the target: when one breaks, so does the other. */
class Link {
  readonly closed: Promise<unknown>
  readonly #line: Line
  readonly #sockets: readonly Socket[]
  readonly #lanes: readonly Lane[]
  #isBroken = false

  constructor(client: Socket, upstream: Socket, line: Line) {
    this.#line = line
    this.#sockets = [client, upstream]
    this.#lanes = [new Lane(client, upstream, line), new Lane(upstream, client, line)]
    for (const socket of this.#sockets) {
      socket.on('error', () => {
        this.#isBroken = true
        this.update()
      })
    }
    this.closed = Promise.all(this.#sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))))
    this.update()
  }

  reset(): void {
    for (const lane of this.#lanes) lane.stop()
    for (const socket of this.#sockets) {
      // Reset while it is ending, a socket of Node never closes.
      if (socket.writableEnded && !socket.writableFinished) socket.destroy()
      else socket.resetAndDestroy()
    }
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  update(): void {
    if (this.#isBroken && !this.#line.isFrozen) this.reset()
    else for (const lane of this.#lanes) lane.update()
  }
}

/** One direction: what is under way, oldest first. It holds all of it in memory, which tests can afford. */
class Lane {
  readonly #from: Socket
  readonly #to: Socket
  readonly #line: Line
  readonly #underWay: { chunk: Buffer | 'end'; dueAt: number }[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket, line: Line) {
    this.#from = from
    this.#to = to
    this.#line = line
    from.on('data', (chunk: Buffer) => this.#take(chunk))
    from.once('end', () => this.#take('end'))
  }

  update(): void {
    if (this.#line.isFrozen) this.#from.pause()
    else this.#from.resume()
    this.#pass()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#underWay.length = 0
  }

  #take(chunk: Buffer | 'end'): void {
    this.#underWay.push({ chunk, dueAt: performance.now() + this.#line.delayMs })
    this.#pass()
  }

  #pass(): void {
    clearTimeout(this.#timer)
    while (!this.#line.isFrozen && this.#underWay[0]) {
      const waitMs = this.#underWay[0].dueAt - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pass(), waitMs)
        return
      }
      const { chunk } = this.#underWay.shift()!
      if (chunk === 'end') this.#to.end()
      else this.#to.write(chunk)
    }
  }
}
