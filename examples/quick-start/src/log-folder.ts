import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const OLD_AFTER_MS = 7 * 86_400_000

/** A folder of log files. */
export class LogFolder {
  readonly #path: string

  constructor({ logFolderPath }: { logFolderPath: string }) {
    this.#path = logFolderPath
  }

  async write(file: string, lastWrittenAt: Date): Promise<void> {
    await mkdir(this.#path, { recursive: true })
    await writeFile(join(this.#path, file), 'a line\n')
    await utimes(join(this.#path, file), lastWrittenAt, lastWrittenAt)
  }

  async files(): Promise<string[]> {
    return (await readdir(this.#path)).sort()
  }

  /** The files that nothing has been written to for 7 days. */
  async oldFiles(): Promise<string[]> {
    const old: string[] = []
    for (const file of await this.files()) {
      const { mtimeMs } = await stat(join(this.#path, file))
      if (Date.now() - mtimeMs > OLD_AFTER_MS) old.push(file)
    }
    return old
  }

  async delete(file: string): Promise<void> {
    await rm(join(this.#path, file))
  }
}
