import type { ServiceScopeFactory } from '@background-workers/abstractions'
import { ContextIdFactory, type ModuleRef } from '@nestjs/core'

/**
 * A run is to Nest what a request is: request-scoped providers are made anew for each attempt. What they inject as
 * `REQUEST` is an `AsyncDisposableStack` that is disposed after the attempt; Nest itself never disposes of what is
 * request-scoped.
 *
 * Nest resolves asynchronously, so a worker awaits: `await services.resolve<Promise<UserRepository>>('userRepository')`.
 */
export function nestScopeFactory(moduleRef: ModuleRef): ServiceScopeFactory {
  return {
    createScope() {
      const contextId = ContextIdFactory.create()
      const run = new AsyncDisposableStack()
      moduleRef.registerRequestByContextId(run, contextId)
      return {
        resolve: (token) => moduleRef.resolve(token, contextId, { strict: false }),
        dispose: () => run.disposeAsync(),
      }
    },
  }
}
