import type { Keys } from './keys.ts'
import { LuaScript } from './lua-script.ts'
import type { RedisClient } from './redis-client.ts'

/** A process that dies while it writes holds up the others for so long. */
const WRITE_LOCK_MS = 10_000

/** How soon to look again while another instance writes, in ms; what it writes may be all that is needed here. */
export const LOCKED_MS = 50

/**
 * One instance of the application at a time writes. Gives `false`, and does nothing, while another one does.
 *
 * @param work - Gets the token of the lock, which an instance that is cut off from Redis loses: what takes it writes nothing then.
 */
export async function withWriteLock(
  client: RedisClient,
  keys: Keys,
  work: (lockToken: string) => Promise<void>,
): Promise<boolean> {
  const token = crypto.randomUUID()
  const isSet = (await client.set(keys.writeLock, token, 'PX', WRITE_LOCK_MS, 'NX')) === 'OK'
  // It is ours all the same when the connection broke before the answer, and the client asked again.
  if (!isSet && (await client.get(keys.writeLock)) !== token) return false
  // While Redis is away the commands would pile up in the client. On a client of the caller's this may go on after a stop.
  const renewal = setInterval(() => {
    if (client.status === 'ready') renewLock.run(client, [keys.writeLock], [token, WRITE_LOCK_MS]).catch(() => {})
  }, WRITE_LOCK_MS / 3).unref()
  try {
    await work(token)
  } finally {
    clearInterval(renewal)
    await releaseLock.run(client, [keys.writeLock], [token])
  }
  return true
}

/** Holds a lock longer that is still the caller's. KEYS lock · ARGV token, ms */
const renewLock = new LuaScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
`)

/** Takes a lock back that is still the caller's. KEYS lock · ARGV token */
const releaseLock = new LuaScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`)
