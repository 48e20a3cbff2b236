import type { RedisClient } from './redis-client.ts'

/**
 * A Lua script: Redis runs it in one piece, so what it checks still holds when it writes. When the connection breaks before
 * the answer has come, the client sends it again: whoever was told nothing must then get the same answer.
 */
export class LuaScript {
  readonly #lua: string
  #sha: string | undefined

  constructor(lua: string) {
    this.#lua = lua
  }

  /** @param args - What a list among them holds is sent as arguments too; it may be longer than a call can spread (120,000). */
  async run(
    client: RedisClient,
    keys: readonly string[],
    args: readonly (string | number | readonly string[])[],
  ): Promise<unknown> {
    // The client flattens lists, which its types do not say.
    const sent = args as readonly (string | number)[]
    // Not in the constructor, and not imported: who only imports need not wait for it.
    this.#sha ??= process.getBuiltinModule('node:crypto').createHash('sha1').update(this.#lua).digest('hex')
    try {
      return await client.evalsha(this.#sha, keys.length, ...keys, ...sent)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return await client.eval(this.#lua, keys.length, ...keys, ...sent)
    }
  }
}
