import { type GoalResult, judgeGoal, show } from '../goals.ts'
import type { Figure, Measure, Params } from '../measures/measure.ts'
import type { Result } from '../sampling.ts'

/** Everything that was found out about one measure. */
export interface MeasureReport {
  readonly measure: Measure
  readonly params: Params
  readonly results: readonly Result[]
}

/** The tables of one measure in Markdown: medians with their spread and ratios, and how ours stands to its goals. */
export function reportTables({ measure, params, results }: MeasureReport): string {
  const sizes = Object.entries(params)
    .map(([name, size]) => `${name} ${size.toLocaleString('en')}`)
    .join(', ')
  // Where there is a goal, the first contestant is ours.
  const compared = measure.goals.length > 0 ? measure.figures : []
  const head = ['contestant', ...measure.figures.map(heading), ...compared.map(({ title }) => `ours / it: ${title}`)]
  const rows = results.map((result) => [
    result.contestant,
    ...measure.figures.map((figure) => cell(result, figure)),
    ...compared.map((figure) => ratioOf(results[0], result, figure)),
  ])
  const goals = measure.goals.map((goal) => judgeGoal(goal, results))
  return [
    `### ${measure.title}`,
    `\`--only ${measure.name}\`${sizes && ` (${sizes})`}`,
    table(head, rows),
    ...(goals.length > 0
      ? [
          table(
            ['goal', 'to reach', 'now', ''],
            goals.map((goal) => goalRow(measure, goal)),
          ),
        ]
      : []),
    ...results.flatMap(({ contestant, incorrect }) =>
      incorrect.length > 0 ? [`Does not count, ${incorrect.length} times: ${contestant}: ${incorrect[0]}`] : [],
    ),
  ].join('\n\n')
}

/** A table in Markdown, its columns aligned. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(...[head, ...rows].map((row) => (row[column] ?? title).length)))
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

function heading({ title, unit }: Figure): string {
  return unit ? `${title}, ${unit}` : title
}

function cell({ figures, incorrect }: Result, { key }: Figure): string {
  const summary = figures[key]
  if (!summary) return 'does not count'
  const { median, min, max, runs } = summary
  const text = runs > 1 ? `${show(median)} (${show(min)} … ${show(max)})` : show(median)
  return incorrect.length > 0 ? `${text}, ${runs} of ${runs + incorrect.length}` : text
}

function ratioOf(ours: Result | undefined, { figures }: Result, { key }: Figure): string {
  const [own, other] = [ours?.figures[key]?.median, figures[key]?.median]
  if (own === undefined || other === undefined || ours?.figures === figures) return ''
  // A drift can be below 0, and then no ratio says which is the better one.
  return show(Math.min(own, other) < 0 ? Number.NaN : own / other)
}

function goalRow(measure: Measure, { goal, text, value, isReached }: GoalResult): string[] {
  const figure = measure.figures.find(({ key }) => key === goal.figure)
  const unit = goal.beside ? '' : (figure?.unit ?? '')
  return [
    `${goal.contestant}: ${figure?.title}`,
    `${text} ${unit}`.trim(),
    value === undefined ? 'does not count' : `${show(value)} ${unit}`.trim(),
    isReached === undefined ? (value === undefined ? '' : 'not judged') : isReached ? 'reached' : 'not reached',
  ]
}
