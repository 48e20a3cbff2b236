import { relativeText } from './time-text.ts'

/**
 * What runs in the browser. Pages work without it; with it they stay up to date, ask in a dialog, and count on. It puts
 * no text into a page but what the server has rendered.
 */
export const clientScript = `'use strict'
const relativeText = ${relativeText.toString()}

// The theme comes first, before anything is painted.
const root = document.documentElement
try {
  const theme = localStorage.getItem('background-workers-theme')
  if (theme) root.dataset.theme = theme
} catch {}

addEventListener('DOMContentLoaded', () => {
  showTheme()
  forgetNotice()
  setInterval(countOn, 1000)
  document.addEventListener('click', openDialog)
  document.addEventListener('keydown', focusSearch)
  document.addEventListener('input', searchSoon)
  if (document.body.dataset.events) keepLive()
})

function showTheme() {
  const button = document.querySelector('.theme')
  button.hidden = false
  button.addEventListener('click', () => {
    const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
    root.dataset.theme = isDark ? 'light' : 'dark'
    try {
      localStorage.setItem('background-workers-theme', root.dataset.theme)
    } catch {}
  })
}

/** So that reloading does not tell again what has been done. */
function forgetNotice() {
  const url = new URL(location.href)
  if (!url.searchParams.has('done')) return
  url.searchParams.delete('done')
  history.replaceState(null, '', url)
}

function countOn() {
  const now = Date.now()
  for (const time of document.querySelectorAll('time[data-relative]')) {
    const text = relativeText(Date.parse(time.dateTime), now)
    if (time.textContent !== text) time.textContent = text
  }
}

// Live: the server says that something has changed, and the page fetches itself again.

let isFetching = false
let isStale = false
let refreshTimer
// What a server takes long for is asked for less often.
let pauseMs = 400
let stream
// Whether the page was answered when it was fetched last.
let isAnswered = true

function keepLive() {
  let retryTimer
  const open = () => {
    clearTimeout(retryTimer)
    stream = new EventSource(document.body.dataset.events)
    stream.addEventListener('open', () => {
      showLive()
      refreshSoon()
    })
    stream.addEventListener('change', refreshSoon)
    stream.addEventListener('error', () => {
      showLive()
      refreshSoon()
      // The server has no place for it; the browser does not try again by itself.
      if (stream.readyState === EventSource.CLOSED) retryTimer = setTimeout(open, 10000)
    })
  }
  const close = () => {
    clearTimeout(retryTimer)
    stream?.close()
  }
  // A page that nobody sees holds no connection: a browser has six for a host.
  const follow = () => (document.hidden ? close() : open())
  document.addEventListener('visibilitychange', follow)
  addEventListener('pagehide', close)
  addEventListener('pageshow', (event) => event.persisted && follow())
  follow()
}

function showLive() {
  const status = document.querySelector('.live')
  const isLive = isAnswered && stream?.readyState === EventSource.OPEN
  const text = isLive ? 'Live' : 'Reconnecting'
  // It is read aloud when it is set.
  if (status.textContent === text) return
  status.hidden = false
  status.dataset.live = String(isLive)
  status.textContent = text
}

function refreshSoon() {
  refreshTimer ??= setTimeout(() => {
    refreshTimer = undefined
    refresh()
  }, pauseMs)
}

async function refresh() {
  if (isFetching) {
    isStale = true
    return
  }
  isFetching = true
  isStale = false
  const asked = location.href
  const startedAt = performance.now()
  try {
    // Not followed: no page of ours leads elsewhere, and a login may be on another host.
    const response = await fetch(asked, { headers: { accept: 'text/html' }, redirect: 'manual' })
    const page = new DOMParser().parseFromString(await response.text(), 'text/html')
    // What is answered in place of a page of ours may have a main part, too.
    const fresh = page.querySelector('body[data-events] > #main')
    isAnswered = fresh !== null
    if (fresh) {
      reloadMayHelp()
      if (asked === location.href) {
        sync(document.querySelector('#main'), fresh)
        countOn()
      }
    } else if (response.status < 404) {
      // A redirect (its status is 0), a login page, 401 or 403: the session has ended. With others the server is away.
      reloadOnce()
    }
  } catch {
    // The server is away. The stream opens again when it is back.
    isAnswered = false
  }
  showLive()
  pauseMs = Math.max(400, 4 * (performance.now() - startedAt))
  isFetching = false
  if (isStale) refreshSoon()
}

/** Leads to the login, wherever that is. A reload that has not helped is not repeated. */
function reloadOnce() {
  try {
    if (sessionStorage.getItem('background-workers-reloaded')) return
    sessionStorage.setItem('background-workers-reloaded', 'yes')
    location.reload()
  } catch {}
}

function reloadMayHelp() {
  try {
    sessionStorage.removeItem('background-workers-reloaded')
  } catch {}
}

/** Makes one element like another, and leaves alone what is the same: focus, scroll, and what the reader has opened. */
function sync(from, to) {
  if (from.isEqualNode(to)) return
  if (from.nodeType !== Node.ELEMENT_NODE) {
    from.nodeValue = to.nodeValue
    return
  }
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !(name === 'open' && from.localName === 'details')) from.removeAttribute(name)
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value)
  }
  const keyed = new Map([...from.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]))
  let current = from.firstChild
  for (const wanted of [...to.childNodes]) {
    const key = wanted.dataset?.key
    const match = key ? keyed.get(key) : isAlike(current, wanted) ? current : undefined
    if (!match) {
      from.insertBefore(document.importNode(wanted, true), current)
      continue
    }
    if (match === current) current = current.nextSibling
    else from.insertBefore(match, current)
    sync(match, wanted)
  }
  while (current) {
    const next = current.nextSibling
    current.remove()
    current = next
  }
}

function isAlike(one, other) {
  return one && one.nodeType === other.nodeType && one.nodeName === other.nodeName && !one.dataset?.key && one.id === other.id
}

// Confirmations: the page that asks, shown as a dialog.

async function openDialog(event) {
  const link = event.target.closest('a[data-dialog]')
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
  if (!link || !isPlain) return
  event.preventDefault()
  try {
    const response = await fetch(link.href)
    const page = new DOMParser().parseFromString(await response.text(), 'text/html')
    const confirm = page.querySelector('#confirm')
    if (!response.ok || !confirm) throw new Error('no confirmation')
    const form = confirm.querySelector('form')
    // Relative to the page it comes from.
    form.action = new URL(form.getAttribute('action'), response.url).href
    const dialog = document.querySelector('#dialog')
    dialog.replaceChildren(document.importNode(confirm, true))
    dialog.querySelector('[data-close]').addEventListener('click', (click) => {
      click.preventDefault()
      dialog.close()
    })
    dialog.addEventListener('close', () => link.isConnected && link.focus(), { once: true })
    dialog.showModal()
    const field = dialog.querySelector('input:checked') ?? dialog.querySelector('input:not([type=hidden])')
    const first = field ?? dialog.querySelector('button[type=submit]')
    first.focus()
  } catch {
    location.href = link.href
  }
}

// The search: as one types, and with the key /.

let searchTimer

function searchSoon(event) {
  if (!event.target.matches('[data-search]')) return
  clearTimeout(searchTimer)
  searchTimer = setTimeout(() => {
    const params = new URLSearchParams(new FormData(event.target.form))
    for (const [name, value] of [...params]) if (value === '') params.delete(name)
    history.replaceState(null, '', '?' + params)
    refresh()
  }, 250)
}

function focusSearch(event) {
  const search = document.querySelector('[data-search]')
  const isTyping = event.target.closest('input, textarea, select, dialog')
  if (event.key !== '/' || !search || isTyping || event.ctrlKey || event.metaKey) return
  event.preventDefault()
  search.focus()
}
`
