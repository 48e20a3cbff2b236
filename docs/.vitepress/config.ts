import { existsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type MarkdownRenderer } from 'vitepress'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const migration = [
  ['From @nestjs/schedule', 'nestjs-schedule'],
  ['From node-cron', 'node-cron'],
  ['From Agenda', 'agenda'],
  ['From BullMQ job schedulers', 'bullmq'],
  ['From ABP', 'abp'],
] as const

const packages = [
  'abstractions',
  'default-manager',
  'bullmq-manager',
  'hosting',
  'redis-lock',
  'opentelemetry',
  'dashboard',
]

const ICON = {
  rel: 'icon',
  href: "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><circle cx='8' cy='8' r='7' fill='teal'/><path d='M8 4v4l3 2' fill='none' stroke='white'/></svg>",
}

export default defineConfig({
  title: 'background-workers',
  description: 'Work that a Node application does in the background, again and again.',
  // The root of the repository: the READMEs of the packages and examples are pages too.
  srcDir: '..',
  srcExclude: ['.changeset/**', 'tests/**', 'benchmarks/**', '**/test/**', '**/src/**', '**/.vitepress/**'],
  rewrites: { 'README.md': 'index.md' },
  markdown: { config: resolveLinks },
  // Pages outside of this package find Vue here.
  vite: {
    resolve: { alias: [{ find: /^vue(\/.*)?$/, replacement: `${ROOT}docs/node_modules/vue$1` }] },
    plugins: [
      {
        name: 'site',
        // `docs:dev` adds `head` only when the page runs, and the browser has asked for a favicon.ico by then.
        transformIndexHtml: () => [{ tag: 'link', attrs: ICON }],
        // The dependencies of vitepress can not be found from `srcDir`; Vite finds them when they are first imported.
        configResolved({ optimizeDeps }) {
          optimizeDeps.include = (optimizeDeps.include ?? []).filter((id) => !id.startsWith('vitepress > '))
        },
      },
    ],
  },
  head: [['link', ICON]],
  themeConfig: {
    search: {
      provider: 'local',
      // What a page explains comes before the many entries of the reference that name it.
      options: { miniSearch: { searchOptions: { boostDocument: (id) => (id.includes('/docs/api/') ? 0.1 : 1) } } },
    },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/docs/guide' },
      { text: 'Semantics', link: '/docs/semantics' },
      { text: 'Operating', link: '/docs/operating' },
      { text: 'Errors', link: '/docs/errors' },
      { text: 'API', link: '/docs/api/' },
    ],
    sidebar: [
      {
        text: 'Documentation',
        items: [
          { text: 'Quick start', link: '/' },
          { text: 'Guide', link: '/docs/guide' },
          { text: 'Semantics', link: '/docs/semantics' },
          { text: 'Operating', link: '/docs/operating' },
          { text: 'Errors', link: '/docs/errors' },
          { text: 'Performance', link: '/docs/performance' },
          { text: 'Reliability', link: '/docs/reliability' },
        ],
      },
      {
        text: 'Migration',
        items: migration.map(([text, page]) => ({ text, link: `/docs/migration/${page}` })),
      },
      {
        text: 'Packages',
        items: packages
          .filter((name) => existsSync(join(ROOT, 'packages', name, 'README.md')))
          .map((name) => ({ text: name, link: `/packages/${name}/README` })),
      },
      {
        text: 'Reference',
        items: [
          { text: 'API', link: '/docs/api/' },
          { text: 'Architecture', link: '/ARCHITECTURE' },
          { text: 'Contributing', link: '/CONTRIBUTING' },
        ],
      },
    ],
  },
})

/** The files are written for a reader in the repository: a link to a folder is one to its README, and there is source. */
function resolveLinks(markdown: MarkdownRenderer): void {
  markdown.core.ruler.push('links-of-the-repository', ({ tokens, env }) => {
    const folder = dirname(env.realPath ?? env.path)
    for (const { children } of tokens) {
      let isOpenTaken = false
      for (const token of children ?? []) {
        if (token.type === 'link_open') {
          const href = String(token.attrGet('href'))
          const page = pageOf(folder, href)
          isOpenTaken = page === undefined
          if (page !== undefined) token.attrSet('href', page)
        }
        if (isOpenTaken && (token.type === 'link_open' || token.type === 'link_close')) {
          isOpenTaken &&= token.type === 'link_open'
          Object.assign(token, { type: 'html_inline', tag: '', content: '' })
        }
      }
    }
  })
}

/** What a link is on the site; nothing for a file that is no page. */
function pageOf(folder: string, href: string): string | undefined {
  if (/^([a-z]+:|#|\/)/.test(href)) return href
  const [path = '', anchor] = href.split('#')
  const target = join(folder, decodeURI(path))
  const page = path.endsWith('.md') ? target : join(target, 'README.md')
  // A page that is not there stays a link, so that the build tells of it.
  if (!existsSync(page) && existsSync(target)) return undefined
  const file = relative(ROOT, page)
  return `/${file === 'README.md' ? '' : file}${anchor === undefined ? '' : `#${anchor}`}`
}
