import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Where runs are published, as it stands in a module of the abstractions, and what is left of it. */
export interface Cut {
  /** The module, without its extension. */
  readonly module: string
  readonly text: RegExp
  readonly instead: string
}

/** All places where a run is published: nobody is asked whether there is a subscriber, and no event is handed on. */
export const CUTS: readonly Cut[] = [
  { module: 'tracing', text: /\b\w+\.hasSubscribers\b/g, instead: 'false' },
  { module: 'event-hub', text: /(?<=\n *)hears\b[^{;]*\{/g, instead: '$& return false;' },
  { module: 'event-hub', text: /(?<=\n *)emit\b[^{;]*\{/g, instead: '$& return;' },
]

/**
 * Takes out of a copy of the sources of the abstractions that runs are published.
 *
 * @throws when a text to cut is not there any more
 */
export async function cutPublishing(sources: string): Promise<void> {
  for (const cut of CUTS) {
    const file = join(sources, `${cut.module}.ts`)
    await writeFile(file, applyCut(await readFile(file, 'utf8'), cut))
  }
}

/** @throws when the text is not there */
export function applyCut(source: string, { module, text, instead }: Cut): string {
  const changed = source.replace(text, instead)
  if (changed === source) {
    throw new Error(
      `${module} of the abstractions has no ${text} any more: say in cut-publishing.ts what to cut out of it.`,
    )
  }
  return changed
}
