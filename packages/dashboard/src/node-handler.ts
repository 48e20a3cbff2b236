import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Logger } from '@background-workers/abstractions'
import { safeLogger } from '@background-workers/abstractions/for-managers'

/** A handler as `http.createServer`, Express and Connect take it. HTTP/1 only: a request over HTTP/2 is refused with 505. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void

const incomingMessages = new WeakMap<Request, IncomingMessage>()

/**
 * The request of Node that a request comes from which `nodeHandler` has taken: for an `authorize` that needs what a
 * framework has put there, such as `session` or `user`. `undefined` for other requests.
 */
export function incomingMessageOf(request: Request): IncomingMessage | undefined {
  return incomingMessages.get(request)
}

/** What a bridge needs. */
export interface NodeHandlerOptions {
  readonly fetch: (request: Request) => Promise<Response>
  /** Whether paths count from where the server begins, and not from where the framework has mounted the handler. */
  readonly usesFullPath: boolean
  /** Told of the first request that is not HTTP/1. */
  readonly logger?: Logger | undefined
}

const ONLY_HTTP_1 = 'nodeHandler of the dashboard speaks HTTP/1 only. Serve it over HTTP/1, or mount fetch.'

/** Makes a handler for Node's `http` of a web-standard one. */
export function createNodeHandler(options: NodeHandlerOptions): NodeHandler {
  let hasToldOfVersion = false
  return (incoming, outgoing, next) => {
    if (incoming.httpVersionMajor > 1) {
      // All are refused for one cause, so it is told once.
      if (!hasToldOfVersion) safeLogger(options.logger).error({ httpVersion: incoming.httpVersion }, ONLY_HTTP_1)
      hasToldOfVersion = true
      outgoing.writeHead(505, { 'content-type': 'text/plain' }).end(ONLY_HTTP_1)
      return
    }
    answer(options, incoming, outgoing).catch((error: unknown) => {
      if (outgoing.headersSent || outgoing.destroyed) outgoing.destroy()
      else if (next) next(error)
      else outgoing.writeHead(500).end()
    })
  }
}

async function answer(
  { fetch, usesFullPath }: NodeHandlerOptions,
  incoming: IncomingMessage & { originalUrl?: string },
  outgoing: ServerResponse,
): Promise<void> {
  const url = incoming.url ?? '/'
  const mountUrl = incoming.originalUrl ?? url
  const [mountPath = ''] = mountUrl.split('?', 1)
  if (!usesFullPath && /^\/?(\?|$)/.test(url) && !mountPath.endsWith('/')) {
    // Express says `/` for `/dashboard` too, where relative links would lead beside the dashboard.
    outgoing.writeHead(302, { location: `./${mountPath.slice(mountPath.lastIndexOf('/') + 1)}/` }).end()
    return
  }
  const request = toRequest(incoming, outgoing, usesFullPath ? mountUrl : url)
  if (!request) {
    outgoing.writeHead(400).end()
    return
  }
  incomingMessages.set(request, incoming)
  await send(await fetch(request), incoming, outgoing)
}

/** `undefined` for what is no request: a method or a target that can not be. */
function toRequest(incoming: IncomingMessage, outgoing: ServerResponse, target: string): Request | undefined {
  const gone = new AbortController()
  outgoing.once('close', () => gone.abort())
  const method = incoming.method ?? 'GET'
  const scheme = (incoming.socket as { encrypted?: boolean }).encrypted ? 'https' : 'http'
  const headers = new Headers()
  try {
    for (const [name, values = []] of Object.entries(incoming.headersDistinct)) {
      for (const value of values) headers.append(name, value)
    }
    const url = new URL(`${scheme}://${incoming.headers.host || 'localhost'}${target}`)
    // A `..` in it, or a path in the host, would lead elsewhere than where the server has let the request through.
    if (url.pathname !== target.split('?', 1)[0]) return undefined
    const body = method === 'GET' || method === 'HEAD' ? null : bodyOf(incoming)
    return new Request(url, { method, headers, signal: gone.signal, body, duplex: 'half' } as RequestInit)
  } catch {
    return undefined
  }
}

/** The form, also where a body parser of the framework has read it already. */
function bodyOf(incoming: IncomingMessage & { body?: unknown }): ReadableStream | string {
  const { body } = incoming
  if (!incoming.readableEnded || typeof body !== 'object' || body === null) {
    return Readable.toWeb(incoming) as ReadableStream
  }
  return new URLSearchParams(body as Record<string, string>).toString()
}

async function send(response: Response, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const cookies = response.headers.getSetCookie()
  const headers = Object.fromEntries([...response.headers].filter(([name]) => name !== 'set-cookie'))
  outgoing.writeHead(response.status, { ...headers, ...(cookies.length > 0 && { 'set-cookie': cookies }) })
  if (!response.body || incoming.method === 'HEAD') {
    await response.body?.cancel()
    outgoing.end()
    return
  }
  outgoing.flushHeaders()
  try {
    // Waits where the client is slow, and cancels the body when it goes.
    await pipeline(Readable.fromWeb(response.body as import('node:stream/web').ReadableStream), outgoing)
  } catch (error) {
    if (!outgoing.destroyed) throw error
  }
}
