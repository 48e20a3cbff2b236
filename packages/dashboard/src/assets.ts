import { createHash } from 'node:crypto'
import { clientScript } from './client-script.ts'
import { style } from './style.ts'

/** A file that pages refer to. Its path names its content, so browsers may keep it. */
export interface Asset {
  /** From the dashboard's root. */
  readonly path: string
  readonly type: string
  readonly text: string
}

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#4f6bed" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"><path d="M20.2 8.5A9 9 0 0 0 4 8.2M3.8 15.5A9 9 0 0 0 20 15.8"/><path d="M20.8 3.6v5h-5M3.2 20.4v-5h5"/><circle cx="12" cy="12" r="2.6" fill="#4f6bed"/></svg>`

/** All that pages load, and they load it from the dashboard itself. */
export const assets = {
  style: asset('dashboard', 'css', 'text/css; charset=utf-8', style),
  script: asset('dashboard', 'js', 'text/javascript; charset=utf-8', clientScript),
  icon: asset('icon', 'svg', 'image/svg+xml', icon),
}

function asset(name: string, extension: string, type: string, text: string): Asset {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 12)
  return { path: `assets/${name}-${hash}.${extension}`, type, text }
}
