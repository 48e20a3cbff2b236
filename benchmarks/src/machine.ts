import { createRequire } from 'node:module'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { join } from 'node:path'

const { dependencies } = createRequire(import.meta.url)('../package.json') as { dependencies: Record<string, string> }

/** Where the figures come from. */
export interface Machine {
  readonly date: string
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  /** Of what is measured, as the lock file has them. */
  readonly versions: Readonly<Record<string, string>>
}

/** Describes this machine; nothing that identifies it. */
export function describeMachine(): Machine {
  const peers = Object.keys(dependencies).filter((name) => dependencies[name] === 'catalog:')
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    versions: Object.fromEntries(peers.map((name) => [name, versionOf(name)])),
  }
}

function versionOf(name: string): string {
  const manifest = join(import.meta.dirname, '../node_modules', name, 'package.json')
  return (createRequire(import.meta.url)(manifest) as { version: string }).version
}
