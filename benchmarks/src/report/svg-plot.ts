/** A line of a plot. */
interface Series {
  readonly name: string
  readonly points: readonly { readonly x: number; readonly y: number }[]
}

/** What a plot shows; the horizontal axis is logarithmic, the vertical one begins at 0. */
export interface Plot {
  readonly title: string
  readonly xTitle: string
  readonly yTitle: string
  readonly series: readonly Series[]
}

const WIDTH = 760
const HEIGHT = 260
const MARGIN = { top: 40, right: 250, bottom: 46, left: 64 }
const COLORS = ['#0969da', '#bc4c00', '#1a7f37', '#8250df', '#6e7781', '#cf222e']

/** Plots, one below the other, as one SVG that is readable on a light and on a dark page. */
export function renderPlots(plots: readonly Plot[]): string {
  const height = plots.length * HEIGHT
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escapeText(plots.map(({ title }) => title).join('; '))}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...plots.map((plot, index) => `<g transform="translate(0 ${index * HEIGHT})">\n${renderPlot(plot)}\n</g>`),
    '</svg>\n',
  ].join('\n')
}

function renderPlot({ title, xTitle, yTitle, series }: Plot): string {
  const points = series.flatMap((one) => one.points)
  const xs = [...new Set(points.map(({ x }) => x))].toSorted((one, other) => one - other)
  const yTicks = niceTicks(Math.max(...points.map(({ y }) => y), 0))
  const toX = logScale([xs[0] ?? 1, xs.at(-1) ?? 10], [MARGIN.left, WIDTH - MARGIN.right])
  const toY = linearScale([0, yTicks.at(-1) ?? 1], [HEIGHT - MARGIN.bottom, MARGIN.top])
  const right = WIDTH - MARGIN.right
  const bottom = HEIGHT - MARGIN.bottom
  return [
    text(MARGIN.left, 22, title, 'font-weight="600"'),
    text(MARGIN.left, 35, yTitle, 'fill="#57606a" font-size="10"'),
    text((MARGIN.left + right) / 2, HEIGHT - 10, xTitle, 'text-anchor="middle" fill="#57606a"'),
    ...yTicks.map(
      (y) =>
        `<path d="M${MARGIN.left} ${round(toY(y))}H${right}" stroke="#d0d7de"/>${text(MARGIN.left - 6, toY(y) + 4, y.toLocaleString('en'), 'text-anchor="end"')}`,
    ),
    ...xs.map((x) => text(toX(x), bottom + 16, x.toLocaleString('en'), 'text-anchor="middle"')),
    ...series.map(({ name, points: own }, index) => {
      const color = COLORS[index % COLORS.length] as string
      const path = own.map(({ x, y }, at) => `${at === 0 ? 'M' : 'L'}${round(toX(x))} ${round(toY(y))}`).join('')
      const dots = own.map(({ x, y }) => `<circle cx="${round(toX(x))}" cy="${round(toY(y))}" r="3" fill="${color}"/>`)
      const legend = text(right + 28, MARGIN.top + 6 + index * 18, name)
      const mark = `<circle cx="${right + 18}" cy="${MARGIN.top + 2 + index * 18}" r="4" fill="${color}"/>`
      return `<path d="${path}" fill="none" stroke="${color}" stroke-width="2"/>${dots.join('')}${mark}${legend}`
    }),
  ].join('\n')
}

/** Maps `domain` to `range` evenly. */
export function linearScale(
  [from, to]: readonly [number, number],
  [low, high]: readonly [number, number],
): (value: number) => number {
  return (value) => (to === from ? low : low + ((value - from) / (to - from)) * (high - low))
}

/** Maps `domain` to `range` so that each factor of ten takes the same room. */
export function logScale(
  [from, to]: readonly [number, number],
  range: readonly [number, number],
): (value: number) => number {
  const scale = linearScale([Math.log10(from), Math.log10(to)], range)
  return (value) => scale(Math.log10(value))
}

/** Round numbers from 0 to at least `max`, about five. */
export function niceTicks(max: number): number[] {
  if (!(max > 0)) return [0, 1]
  const power = 10 ** Math.floor(Math.log10(max / 5))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size * 5 >= max) as number
  return Array.from({ length: Math.ceil(max / step - 1e-9) + 1 }, (_, index) => Number((index * step).toPrecision(12)))
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}"${attributes && ` ${attributes}`}>${escapeText(content)}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escapeText(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
