import { readFileSync } from 'node:fs'
import { defineConfig } from 'rolldown'

/** The part of a `package.json` that is read here. */
interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly publishConfig: { readonly exports: Readonly<Record<string, string | { readonly default: string }>> }
}

const { dependencies, peerDependencies, publishConfig }: Manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const entries = Object.values(publishConfig.exports).flatMap((target) =>
  typeof target === 'string' ? [] : target.default,
)
const names = entries.map((entry) => entry.replace(/^\.\/dist\/(.+)\.js$/, '$1'))

/**
 * Makes the JavaScript that a package publishes, out of `src` of the working directory: a file per entry, and one with all
 * that several entries share. A process loads few large files sooner than many small ones.
 */
export default defineConfig({
  input: Object.fromEntries(names.map((name) => [name, `src/${name}.ts`])),
  platform: 'node',
  external: Object.keys({ ...dependencies, ...peerDependencies }).map((name) => new RegExp(`^${name}(/|$)`)),
  // The target is tsc's. What else its configuration says is about types.
  tsconfig: false,
  transform: { target: 'es2023' },
  output: {
    dir: 'dist',
    sourcemap: true,
    // They are in the declarations and in `src`.
    comments: false,
    // Shared code is there once: two copies of a class would not know each other's instances.
    codeSplitting: { groups: [{ name: 'shared', minShareCount: 2 }] },
    chunkFileNames: '[name].js',
  },
})
