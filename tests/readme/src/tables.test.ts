import { cron, nextDueAt } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { firstColumn, readDocument, readTable } from './documents.ts'

const SOURCE = 'packages/abstractions/src'

describe('a table has every word, and no other', () => {
  it.each([
    ['docs/errors.md', '## Error codes', 'errors.ts', 'BackgroundWorkerErrorCode'],
    ['docs/errors.md', '## Health codes', 'health.ts', 'HealthCode'],
    ['docs/semantics.md', '### Outcomes', 'run-record.ts', 'RunOutcome'],
    ['docs/semantics.md', '### Reasons', 'run-record.ts', 'Reason'],
    ['docs/semantics.md', '### Kinds', 'run-record.ts', 'RunKind'],
    ['docs/semantics.md', '## States of a worker', 'worker-status.ts', 'WorkerState'],
  ])('%s, %s', async (document, heading, file, union) => {
    const words = await wordsOf(file, union)
    expect(words).not.toEqual([])
    expect((await firstColumn(document, heading)).sort()).toEqual(words.sort())
  })

  it('the events of docs/operating.md', async () => {
    const body = await interfaceBody('manager-events.ts', 'ManagerEvents')
    const names = [...body.matchAll(/^ {2}'([^']+)':/gm)].map(([, name]) => name as string)
    expect((await firstColumn('docs/operating.md', '## Events')).sort()).toEqual(names.sort())
  })

  it('what health tells, in docs/operating.md', async () => {
    const rows = await readTable('docs/operating.md', '## Health and probes')
    const codes = rows.map(([, reason = '']) => unquoted(reason))
    expect(codes.sort()).toEqual((await wordsOf('health.ts', 'HealthCode')).sort())
  })

  it('the fields of a record, in docs/semantics.md', async () => {
    const body = await interfaceBody('run-record.ts', 'RunRecord')
    const names = [...body.matchAll(/readonly (\w+)\??:/g)].map(([, name]) => name)
    expect(await firstColumn('docs/semantics.md', '## Records')).toEqual(names)
  })

  it('the policy of the README', async () => {
    const body = await interfaceBody('policy.ts', 'PeriodicWorkerPolicy')
    const names = [...body.matchAll(/readonly (\w+)\?:/g)].map(([, name]) => name)
    expect(await firstColumn('README.md', '## Policies')).toEqual(names)
  })
})

describe('the table of daylight saving', () => {
  it('says what nextDueAt says, slot by slot', async () => {
    const rows = await readTable('docs/semantics.md', '### Daylight saving')
    expect(rows.length).toBeGreaterThanOrEqual(10)
    for (const [zone = '', pattern = '', , ...cells] of rows) {
      const schedule = cron(unquoted(pattern), { timeZone: unquoted(zone) })
      const slots = cells.flatMap((cell) => cell.split(', ')).map((cell) => unquoted(cell))
      expect(slots.length).toBeGreaterThanOrEqual(3)
      let at = Date.parse(slots[0] as string) - 1
      for (const slot of slots) {
        at = nextDueAt(schedule, at) as number
        expect(`${zone} ${pattern} ${localTime(at, unquoted(zone))}`).toBe(`${zone} ${pattern} ${slot}`)
      }
    }
  })
})

it('the rights of a Redis user are those that a test of the manager has', async () => {
  const test = await readDocument('packages/bullmq-manager/test/acl.test.ts')
  const [, list = ''] = /const ACL_RULES = \[([\s\S]*?)\]/.exec(test) ?? []
  const tested = [...list.matchAll(/'([^']+)'/g)].flatMap(([, words = '']) => words.split(' '))
  const [, quoted = ''] =
    /ACL SETUSER shop on >secret ([\s\S]*?)\n```/.exec(await readDocument('docs/operating.md')) ?? []
  expect(quoted.trim().split(/\s+/)).toEqual(tested)
})

async function wordsOf(file: string, union: string): Promise<string[]> {
  const [, body = ''] = new RegExp(`type ${union} =([^/]*?)\\n\\n`).exec(await readDocument(`${SOURCE}/${file}`)) ?? []
  return [...body.matchAll(/'([^']+)'/g)].map(([, word]) => word as string)
}

async function interfaceBody(file: string, name: string): Promise<string> {
  const [, body = ''] =
    new RegExp(`interface ${name} \\{([\\s\\S]*?)\\n\\}`).exec(await readDocument(`${SOURCE}/${file}`)) ?? []
  return body
}

function unquoted(cell: string): string {
  return cell.replaceAll('`', '')
}

/** As the table writes it: wall clock and offset, such as 2026-03-29T03:00+02:00. */
function localTime(at: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'longOffset',
  }).formatToParts(at)
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((found) => found.type === type)?.value ?? ''
  const offset = part('timeZoneName').replace('GMT', '') || '+00:00'
  return `${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')}${offset}`
}
