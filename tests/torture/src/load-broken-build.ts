// A preload: replaces one source file while it is loaded.
import { readFileSync, realpathSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import { BROKEN_BUILDS, breakSource, sourceOf } from './broken-builds.ts'

const name = new URL(import.meta.url).searchParams.get('build')
const build = BROKEN_BUILDS.find((candidate) => candidate.name === name)
if (!build) throw new Error(`There is no broken build "${name}".`)
const file = realpathSync(sourceOf(build))
const broken = pathToFileURL(file).href

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    return url === broken ? { ...loaded, source: breakSource(build, readFileSync(file, 'utf8')) } : loaded
  },
})
