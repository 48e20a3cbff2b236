import { existsSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository; documents are named by their path from here. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** What a reader may open: the pages at the root, of packages and of examples, and the docs without what is generated. */
export async function findDocuments(): Promise<string[]> {
  const patterns = ['*.md', 'packages/*/README.md', 'examples/*/README.md', 'docs/*.md', 'docs/migration/*.md']
  const files: string[] = []
  for await (const file of glob(patterns, { cwd: ROOT })) files.push(file)
  return files.sort()
}

/** A block between fences. */
export interface CodeBlock {
  readonly document: string
  /** Line of the opening fence, and of the closing one. */
  readonly firstLine: number
  readonly lastLine: number
  /** `ts run` is a program that ends by itself, and the tests run it; other TypeScript is compiled only. */
  readonly language: string
  readonly isRun: boolean
  readonly code: string
}

/** Also one that is indented, in a list. */
const FENCED = /^( *)(`{3,})(.*)\n([\s\S]*?)^\1\2$/gm

/** The blocks of a document, in its order. */
export async function readBlocks(document: string): Promise<CodeBlock[]> {
  const text = await readDocument(document)
  return [...text.matchAll(FENCED)].map((match) => {
    const [, indent = '', , info = '', indented = ''] = match
    const [language = '', ...flags] = info.trim().split(/\s+/)
    const code = indented.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
    const firstLine = text.slice(0, match.index).split('\n').length
    const lastLine = firstLine + code.split('\n').length
    return { document, firstLine, lastLine, language, isRun: flags.includes('run'), code }
  })
}

/** The blocks of TypeScript of all documents. */
export async function readTypeScript(): Promise<CodeBlock[]> {
  const blocks = await Promise.all((await findDocuments()).map(readBlocks))
  return blocks.flat().filter(({ language }) => language === 'ts')
}

/** The rows of the first table under a heading, cell by cell. */
export async function readTable(document: string, heading: string): Promise<string[][]> {
  const [, below = ''] = (await readDocument(document)).split(`\n${heading}\n`)
  const [section = ''] = below.split(/\n#+ /)
  const [, table = ''] = /^((?:\|.*\n)+)/m.exec(section) ?? []
  const rows = table
    .trimEnd()
    .split('\n')
    .map((row) =>
      row
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    )
  return rows.slice(2)
}

/** The names in backticks that the first table under a heading has in its first column. */
export async function firstColumn(document: string, heading: string): Promise<string[]> {
  const rows = await readTable(document, heading)
  return rows.flatMap(([cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string))
}

/** The links of a document that lead nowhere: no such file, or no such heading. */
export async function brokenLinks(document: string): Promise<string[]> {
  const text = (await readDocument(document)).replaceAll(FENCED, '').replaceAll(/`[^`\n]*`/g, '')
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target as string)
  const broken = []
  for (const target of targets.filter((link) => !/^https?:/.test(link))) {
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? document : join(dirname(document), path)
    const isThere = existsSync(join(ROOT, file)) && (anchor === undefined || (await anchorsOf(file)).includes(anchor))
    if (!isThere) broken.push(target)
  }
  return broken
}

/** The text of a file of the repository. */
export function readDocument(file: string): Promise<string> {
  return readFile(join(ROOT, file), 'utf8')
}

/** The anchors that GitHub makes of the headings. */
async function anchorsOf(file: string): Promise<string[]> {
  if (!file.endsWith('.md')) return []
  const headings = [...(await readDocument(file)).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading as string)
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}
