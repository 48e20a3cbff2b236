export {
  type HealthHandler,
  type HealthHandlerOptions,
  type HealthSource,
  createHealthHandler,
} from './health-handler.ts'
