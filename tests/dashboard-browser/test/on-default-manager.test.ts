import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { dashboardSuite } from '../src/dashboard-suite.ts'

dashboardSuite('default', async () => new DefaultBackgroundWorkerManager({ stopTimeoutMs: 1_000 }))
