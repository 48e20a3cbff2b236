import { createApplication, runApplication } from '@background-workers/hosting'
import { pino } from 'pino'
import { shopModule } from './shop-module.ts'

// The dedicated process: it runs the workers, answers probes, and nothing else.
const application = await createApplication(shopModule({ isEnabled: true }), { logger: pino() })

// Retries the start while Redis is away, waits for SIGTERM, lets the runs under way finish, and sets the exit code. In a
// container: health: { port: 9090, host: '0.0.0.0' }.
await runApplication(application, { health: { port: Number(process.env.HEALTH_PORT ?? 0) } })
