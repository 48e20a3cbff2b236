import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { worksOn } from './fixtures/works-on.ts'

worksOn('the default manager', async () => new DefaultBackgroundWorkerManager({ stopTimeoutMs: 100 }))
