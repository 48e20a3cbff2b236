/**
 * Puts `content` between the marks `<!-- bench:<name> -->` and `<!-- /bench:<name> -->` of a Markdown page; the rest
 * is left as it is.
 *
 * @throws when the page has no such marks
 */
export function writeBetween(page: string, name: string, content: string): string {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`]
  const from = page.indexOf(open)
  const to = page.indexOf(close)
  if (from === -1 || to < from) throw new Error(`The page has no place "${open} … ${close}".`)
  return `${page.slice(0, from + open.length)}\n\n${content.trim()}\n\n${page.slice(to)}`
}
