import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { InvalidOptionsError } from '@background-workers/abstractions'
import type { HealthHandler } from './health-handler.ts'

/** An open health endpoint. */
export interface HealthServer {
  readonly port: number
  /** Ends all connections too. */
  close(): Promise<void>
}

/** @throws InvalidOptionsError when it can not listen there, for example because the port is in use. */
export async function openHealthServer(handler: HealthHandler, port: number, host: string): Promise<HealthServer> {
  const server = createServer(handler)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, port, host)))
    server.listen(port, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listenError(error: NodeJS.ErrnoException, port: number, host: string): InvalidOptionsError {
  const where = `port ${port} of ${host}`
  return error.code === 'EADDRINUSE'
    ? new InvalidOptionsError(`health: ${where} is in use. Give "health" another port, or end what listens there.`)
    : new InvalidOptionsError(`health: can not listen on ${where} (${error.code ?? error.message}).`)
}
