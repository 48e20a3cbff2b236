import type { RunOutcome } from '@background-workers/abstractions'
import { html } from 'hono/html'
import type { Html } from './layout.ts'

const SPARK_WIDTH = 60
const SPARK_HEIGHT = 18
/** Failures stand out by height too, for those who do not see the colour. */
const SPARK_HEIGHTS: Readonly<Record<RunOutcome, number>> = {
  succeeded: 9,
  failed: 18,
  aborted: 13,
  skipped: 3,
  missed: 3,
  lost: 18,
}

/** How many of each: `57 succeeded, 2 failed`. */
export function outcomesText(outcomes: readonly RunOutcome[]): string {
  const counts = new Map<RunOutcome, number>()
  for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  return [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', ')
}

/** The recent outcomes as bars, the newest on the right. */
export function sparkline(outcomes: readonly RunOutcome[]): Html {
  const shown = outcomes.slice(-SPARK_WIDTH)
  const first = SPARK_WIDTH - shown.length
  const bar = (index: number, height: number) => `M${index * 3} ${SPARK_HEIGHT - height}h2v${height}h-2z`
  const paths = new Map<RunOutcome, string>()
  for (const [index, outcome] of shown.entries()) {
    paths.set(outcome, (paths.get(outcome) ?? '') + bar(first + index, SPARK_HEIGHTS[outcome]))
  }
  const none = Array.from({ length: first }, (_, index) => bar(index, 1)).join('')
  const label = shown.length === 0 ? 'No outcome yet' : `Last ${shown.length}: ${outcomesText(shown)}`
  return html`<svg class="spark" viewBox="0 0 ${SPARK_WIDTH * 3 - 1} ${SPARK_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}"><title>${label}</title><path class="none" d="${none}"/>${[
    ...paths,
  ].map(([outcome, path]) => html`<path data-outcome="${outcome}" d="${path}"/>`)}</svg>`
}
