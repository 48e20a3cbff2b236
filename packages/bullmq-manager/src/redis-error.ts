/** ioredis puts the command into its errors, with password and data; neither may reach a log or a caller. */
export function withoutCommand(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if (!('command' in error) && !('lastNodeError' in error)) return error
  const { name, message, stack, code } = error as Error & { code?: unknown }
  return Object.assign(new Error(message), { name, ...(stack && { stack }), ...(code !== undefined && { code }) })
}

/** Whether Redis itself said it (no right, no room, read-only): it says it again. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}

/** Whether no node of a cluster answers for a key. Others may be there: then the client stays ready. */
export function isNodeGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return error.message.startsWith('Too many Cluster redirections') || error.name === 'ClusterAllFailedError'
}

/** Whether it is a refusal, or what became of the connection; anything else is an error of ours. */
export function isOfRedis(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (isRefusal(error) || isNodeGone(error)) return true
  return error.message.startsWith('Connection is closed') || 'syscall' in error
}

/** The cause in a few words, without credentials. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no answer'
  const { code } = error as { code?: unknown }
  // Redis repeats no credentials in its messages; the message of a connection error names host and port only.
  return error.message || (typeof code === 'string' ? code : error.name)
}
