import { show } from '@background-workers/abstractions/for-managers'

/** The longest text that a form takes: as long as a manager takes a note. */
export const MAX_TEXT_LENGTH = 1_000

/** Why a text of a form is refused. */
export interface TextProblem {
  /** For the audit: what it holds, in fixed words. */
  readonly holds: string
  /** For whoever has typed it: what is wrong with which field, and what to do. */
  readonly message: string
}

/** What a text must not hold, and what to do instead. The first that is found is told. */
const FORBIDDEN: readonly { readonly holds: string; readonly pattern: RegExp; readonly fix: string }[] = [
  {
    holds: `more than ${MAX_TEXT_LENGTH.toLocaleString('en')} characters`,
    pattern: new RegExp(`^[^]{${MAX_TEXT_LENGTH + 1}}`),
    fix: 'Shorten it.',
  },
  // It would end a header, or a line of a log.
  { holds: 'a line break', pattern: /[\n\r\u0085\u2028\u2029]/u, fix: 'Write it in one line.' },
  // C0, DEL and C1: NUL ends texts, ESC commands terminals.
  { holds: 'a control character', pattern: /\p{Cc}/u, fix: 'Remove it, or type the text instead of pasting it.' },
  // Overrides, embeddings and isolates make a text read otherwise than it is (CVE-2021-42574).
  {
    holds: 'an invisible character that turns text around',
    pattern: /[\u202a-\u202e\u2066-\u2069]/u,
    fix: 'Remove it, or type the text instead of pasting it.',
  },
  // Half a surrogate pair, or what a decoder has put in place of bytes that are no text.
  { holds: 'a character that can not be read', pattern: /[\p{Cs}\ufffd]/u, fix: 'Type it again.' },
  { holds: 'markup', pattern: /<[a-z/!?]/iu, fix: 'Put a space after "<", or say it in words.' },
  // A quote ends a value, and what acts follows. An apostrophe within a word ends none.
  {
    holds: 'an event handler',
    pattern: /["'`](?:[^\p{L}\p{N}].*)?\bon[a-z]{3,}\s*=/iu,
    fix: 'Leave out the "=" after it, or say it in words.',
  },
  {
    holds: 'an address that is a script',
    pattern: /\b(?:javascript|vbscript):\S|\bdata:text\/html/iu,
    fix: 'Leave it out.',
  },
  // Three dots and a slash are none.
  { holds: 'a path that leads upwards', pattern: /(?<!\.)\.\.[/\\]/u, fix: 'Name the file without "../".' },
]

/**
 * What is wrong with a text that an operator has typed, if anything is. A form takes a line of plain words, such as
 * `vendor down until 14:00, a < b, see https://status.test & ticket <42>`. What is refused is what only an attack or a slip of
 * the clipboard brings. Nothing relies on it: all that is shown is escaped, wherever it comes from.
 *
 * @param field - What the form calls it.
 */
export function findTextProblem(field: string, text: string): TextProblem | undefined {
  const found = FORBIDDEN.find(({ pattern }) => pattern.test(text))
  return found && { holds: found.holds, message: `${show(field)} must not hold ${found.holds}. ${found.fix}` }
}

/** The first problem of a form. Fields that no form of the dashboard has are looked at like the others. */
export function findFormProblem(form: URLSearchParams): TextProblem | undefined {
  for (const [field, text] of form) {
    const problem = findTextProblem(field, text)
    if (problem) return problem
  }
  return undefined
}
