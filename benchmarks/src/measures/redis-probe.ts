import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'

/** Asks the server of a sample what it has done; its own commands are not counted. */
export class RedisProbe {
  readonly #client: Redis
  readonly #url: string

  private constructor(url: string, client: Redis) {
    this.#url = url
    this.#client = client
  }

  static async open(url: string): Promise<RedisProbe> {
    const client = new Redis(url)
    await client.ping()
    return new RedisProbe(url, client)
  }

  /** Commands carried out so far, those inside scripts too. */
  async commands(): Promise<number> {
    const stats = await this.#client.info('commandstats')
    let count = 0
    for (const [, name, calls] of stats.matchAll(/cmdstat_(\S+?):calls=(\d+)/g)) {
      if (name !== 'info' && !name?.startsWith('client')) count += Number(calls)
    }
    return count
  }

  /** Connections, without those that ask. */
  async connections(): Promise<number> {
    const list = (await this.#client.client('LIST', 'TYPE', 'NORMAL')) as string
    return list.trim().split('\n').length - 1
  }

  /** Counts commands that clients send, scripts as one, until the function that it gives is called. */
  async countSent(): Promise<() => number> {
    // Not ioredis: its monitor takes a line that comes with the first answer for an error.
    const { hostname, port } = new URL(this.#url)
    const socket = connect(Number(port), hostname)
    let count = 0
    createInterface(socket).on('line', (line) => {
      // A line: time, database and client, or database and `lua` for what a script does, then the command.
      if (/^\+[\d.]+ \[\d+ (?!lua\])/.test(line)) count++
    })
    await once(socket, 'connect')
    socket.write('MONITOR\r\n')
    return () => {
      socket.destroy()
      return count
    }
  }

  close(): void {
    this.#client.disconnect()
  }
}
