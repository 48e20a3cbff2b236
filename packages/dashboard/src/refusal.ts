import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { DashboardAction } from './authorize.ts'

/** What a request was refused for. */
export interface RefusalFacts {
  readonly status: ContentfulStatusCode
  /** For the audit: a fixed sentence. */
  readonly reason: string
  /** For the page: what is wrong and what to do. */
  readonly text: string
  readonly action: DashboardAction
  readonly worker?: string | undefined
  readonly by?: string | undefined
  /** What the application answers instead of a page. */
  readonly response?: Response | undefined
  readonly cause?: unknown
}

/** Ends a request before the manager is called. */
export class Refusal extends Error {
  readonly facts: RefusalFacts

  constructor(facts: RefusalFacts) {
    super(facts.reason, { cause: facts.cause })
    this.facts = facts
  }
}
