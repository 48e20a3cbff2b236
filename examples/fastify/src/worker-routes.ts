import { BackgroundWorkerError, type BackgroundWorkerErrorCode } from '@background-workers/abstractions'
import type { FastifyInstance } from 'fastify'

type ByName = { Params: { name: string } }

/** Every error of background workers has a code that stays. */
const STATUS_CODES: Partial<Record<BackgroundWorkerErrorCode, number>> = {
  'unknown-worker': 404,
  'not-periodic': 409,
  'worker-busy': 409,
  'worker-not-ready': 409,
  'manager-stopped': 503,
  'store-unavailable': 503,
}

/** What an operator sees and does. In an application these routes stand behind a login. */
export async function workerRoutes(app: FastifyInstance): Promise<void> {
  app.get('/workers', async (request) => request.server.backgroundWorkers.list())

  app.get<ByName>('/workers/:name/runs', async (request) => request.server.backgroundWorkers.runs(request.params.name))

  app.post<ByName>('/workers/:name/runs', async (request, reply) => {
    // Accepted, not finished: what becomes of it is in the record with this id.
    const runId = await request.server.backgroundWorkers.trigger(request.params.name, { by: 'the API' })
    return reply.code(202).send({ runId })
  })

  app.get('/health', async (request, reply) => {
    const health = await request.server.backgroundWorkers.health()
    return reply.code(health.status === 'unhealthy' ? 503 : 200).send(health)
  })

  app.setErrorHandler((error, _request, reply) => {
    if (!BackgroundWorkerError.is(error)) throw error
    return reply.code(STATUS_CODES[error.code] ?? 500).send({ code: error.code, message: error.message })
  })
}
