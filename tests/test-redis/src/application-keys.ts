import { randomBytes } from 'node:crypto'
import { withClient } from './client.ts'

/** An application name that no other test uses: a slug, random. */
export function freshApplicationName(): string {
  return `test-${randomBytes(8).toString('hex')}`
}

/** Deletes every key of `{name}:*`, and nothing else, so that tests can share a Redis. Answers how many keys it deleted. */
export async function removeApplication(url: string, name: string): Promise<number> {
  if (name === '') throw new Error('removeApplication() needs the name of the application.')
  return withClient(url, async (client) => {
    const pattern = `{${name.replaceAll(/[\\*?[\]]/g, String.raw`\$&`)}}:*`
    let removed = 0
    for await (const keys of client.scanStream({ match: pattern, count: 1_000 }) as AsyncIterable<string[]>) {
      if (keys.length > 0) removed += await client.unlink(...keys)
    }
    return removed
  })
}
