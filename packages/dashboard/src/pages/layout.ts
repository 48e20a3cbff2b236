import { html } from 'hono/html'
import { assets } from '../assets.ts'
import type { Operator } from '../authorize.ts'

/** A piece of a page. What is put into one is escaped, unless it is one itself. */
export type Html = ReturnType<typeof html>

/** What all pages of a request share. */
export interface PageFrame {
  /** The title of the dashboard. */
  readonly title: string
  /** From the page to the dashboard's root: `./`, `../` or more. All links begin with it. */
  readonly root: string
  readonly operator: Operator
  readonly now: number
  readonly errors: 'full' | 'redacted'
}

/** What one page says of itself. */
export interface PageParts {
  readonly heading: string
  readonly active?: 'overview' | 'workers'
  /** Whether the page fetches itself again when something changes. */
  readonly isLive: boolean
  /** What has just been done. */
  readonly notice?: string | undefined
  readonly body: Html
}

/** A whole page. */
export function layout(
  { title, root, operator }: PageFrame,
  { heading, active, isLive, notice, body }: PageParts,
): Html {
  const link = (name: 'overview' | 'workers', path: string, text: string) =>
    html`<a href="${root}${path}" aria-current="${active === name ? 'page' : 'false'}">${text}</a>`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${heading} · ${title}</title>
<link rel="icon" href="${root}${assets.icon.path}" type="image/svg+xml">
<link rel="stylesheet" href="${root}${assets.style.path}">
<script src="${root}${assets.script.path}"></script>
</head>
<body data-events="${isLive ? `${root}events` : ''}">
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<div class="bar">
<a class="brand" href="${root}">${logo()}<span>${title}</span></a>
<nav aria-label="Pages">${link('overview', '', 'Overview')}${link('workers', 'workers', 'Workers')}</nav>
<div class="who">
<span class="live" role="status" hidden></span>
<span class="operator" title="${operator.by}">${operator.by}</span>
${operator.readOnly ? html`<span class="tag">read-only</span>` : ''}
<button class="theme" type="button" aria-label="Switch between light and dark" hidden>${themeIcon()}</button>
</div>
</div>
</header>
${notice ? html`<div class="notice" role="status">${notice}</div>` : ''}
<main id="main" tabindex="-1">
${body}
</main>
<dialog id="dialog" aria-labelledby="confirm-heading"></dialog>
</body>
</html>`
}

/** A page that says one thing: what was refused, or what went wrong. */
export function messagePage(
  frame: PageFrame,
  message: { readonly heading: string; readonly text: string; readonly isLive?: boolean },
): Html {
  return layout(frame, {
    heading: message.heading,
    isLive: message.isLive ?? false,
    body: html`<section class="message" role="alert">
<h1>${message.heading}</h1>
<p>${message.text}</p>
<p><a href="${frame.root}workers">All workers</a></p>
</section>`,
  })
}

/** For those who may not see the dashboard, whose style they could not load either. */
export function refusalPage(text: string): Html {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>Refused</title></head>
<body><main><h1>Refused</h1><p>${text}</p></main></body></html>`
}

function logo(): Html {
  return html`<svg class="logo" viewBox="0 0 24 24" aria-hidden="true"><path d="M20.2 8.5A9 9 0 0 0 4 8.2M3.8 15.5A9 9 0 0 0 20 15.8"/><path d="M20.8 3.6v5h-5M3.2 20.4v-5h5"/><circle cx="12" cy="12" r="2.6"/></svg>`
}

function themeIcon(): Html {
  return html`<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="8.5"/><path class="half" d="M12 3.5a8.5 8.5 0 0 1 0 17z"/></svg>`
}
