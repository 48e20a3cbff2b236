import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CodeBlock } from './documents.ts'

const PACKAGE = fileURLToPath(new URL('..', import.meta.url))

/** Blocks as files that can be compiled and run. Dispose it: the files are gone then. */
export class SnippetFolder implements AsyncDisposable {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /** In this package, so that what blocks import is found, and not in node_modules, where Node strips no types. */
  static async of(blocks: readonly CodeBlock[]): Promise<SnippetFolder> {
    const folder = new SnippetFolder(await mkdtemp(join(PACKAGE, 'snippets-')))
    await Promise.all(blocks.map((block) => writeFile(folder.fileOf(block), block.code)))
    const tsconfig = {
      extends: '../tsconfig.json',
      // Nest's decorators are those of before the standard.
      compilerOptions: { noEmit: true, moduleDetection: 'force', experimentalDecorators: true },
      include: ['.'],
    }
    await writeFile(join(folder.path, 'tsconfig.json'), JSON.stringify(tsconfig))
    return folder
  }

  /** Document and line are in its name, so that an error of the compiler leads back to them. */
  fileOf({ document, firstLine }: CodeBlock): string {
    return join(this.path, `${document.replaceAll('/', '.')}-${firstLine}.ts`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true })
  }
}
