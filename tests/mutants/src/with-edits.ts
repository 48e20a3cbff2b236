import type { Mutant } from './mutants.ts'

/** Puts a fault into its source. @throws Error for a text that is not there exactly once. */
export function withEdits(source: string, { name, file, edits }: Mutant): string {
  let edited = source
  for (const [text, becomes] of edits) {
    const count = edited.split(text).length - 1
    if (count !== 1) throw new Error(`"${name}": this text is ${count} times in ${file}, not once: ${text.trim()}`)
    edited = edited.replace(text, () => becomes)
  }
  return edited
}
