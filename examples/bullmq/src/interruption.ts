/** Somebody has pressed Ctrl+C, or has ended the process otherwise. */
export class InterruptedError extends Error {
  constructor(signal: string) {
    super(`${signal}: the example stops.`)
  }
}

/** Aborted by Ctrl+C and the like, so that what is under way can be cleaned up. Under npm one Ctrl+C can arrive twice. */
export function watchForInterruption(): AbortSignal {
  const interruption = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => interruption.abort(new InterruptedError(signal)))
  }
  return interruption.signal
}
