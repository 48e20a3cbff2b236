import { once } from 'node:events'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { BackgroundWorkerError, type IBackgroundWorkerManager } from '@background-workers/abstractions'
import { type Route, createRoutes } from './routes.ts'
import type { SignupRepository } from './signup-repository.ts'

interface Services {
  readonly backgroundWorkerManager: IBackgroundWorkerManager
  readonly signupRepository: SignupRepository
}

/** A server of node:http, as small as can be. Any framework does. */
export class WebServer {
  readonly #routes: Record<string, Route>
  readonly #server: Server

  constructor({ backgroundWorkerManager, signupRepository }: Services) {
    this.#routes = createRoutes(backgroundWorkerManager, signupRepository)
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  /** Gives the port. */
  async open(port: number): Promise<number> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }

  async #answer({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, collection, name = '', action] = url.split('/')
    const path = [collection, name && ':name', action].filter(Boolean).join('/')
    const route = this.#routes[`${method} /${path}`]
    try {
      if (route) send(response, 200, (await route(name)) ?? {})
      else send(response, 404, {})
    } catch (error) {
      const { message } = error as Error
      if (BackgroundWorkerError.is(error)) send(response, 409, { code: error.code, message })
      else send(response, 500, { message })
    }
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
