export { DefaultBackgroundWorkerManager } from './default-background-worker-manager.ts'
export type { DefaultManagerOptions } from './options.ts'
