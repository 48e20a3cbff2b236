import { isText } from '@background-workers/abstractions/for-managers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_TEXT_LENGTH, findFormProblem, findTextProblem } from './plain-text.ts'

describe('findTextProblem', () => {
  it.each([
    '',
    'the disk is full',
    'vendor down until 14:00, a < b, see https://status.test/x?on=1&y=2#top & ticket <42>',
    'if load<5 || queue>100 -> resume',
    `it's "done" – don't touch; 50 % (approx.) of #17 @ops, C:\\jobs, ~/run, */5 * * * *`,
    'online=false, once = never, onboarding=done, don’t ask why: only=1',
    "don't know: online=false",
    'wait.../later, v1..v2, and so on…',
    'typescript, javascript: both are late',
    'Der Händler zählt 在庫 до пятницы מחר غدا \u200f',
    'the flag 🏴󠁧󠁢󠁥󠁮󠁧󠁿, the family 👨‍👩‍👧 and नमस्ते',
    'Robert"); DROP TABLE workers;--',
    'a',
  ])('lets pass %j', (text) => {
    expect(findTextProblem('note', text)).toBeUndefined()
  })

  it.each([
    ['a\nb', '"note" must not hold a line break. Write it in one line.'],
    ['a\u2028b', '"note" must not hold a line break. Write it in one line.'],
    ['a\tb', '"note" must not hold a control character. Remove it, or type the text instead of pasting it.'],
    ['a\u009bb', '"note" must not hold a control character.'],
    ['a\u007fb', '"note" must not hold a control character.'],
    ['a\u2066b', '"note" must not hold an invisible character that turns text around.'],
    ['\udc00', '"note" must not hold a character that can not be read. Type it again.'],
    ['a\ufffdb', '"note" must not hold a character that can not be read.'],
    ['a <b>bold</b> word', '"note" must not hold markup. Put a space after "<", or say it in words.'],
    ['</b', '"note" must not hold markup.'],
    ['<?xml', '"note" must not hold markup.'],
    ['"onclick=x', '"note" must not hold an event handler. Leave out the "=" after it, or say it in words.'],
    ['a" x=1 ONCLICK =', '"note" must not hold an event handler.'],
    ['see JavaScript:alert(1)', '"note" must not hold an address that is a script. Leave it out.'],
    ['data:text/html,x', '"note" must not hold an address that is a script.'],
    ['a/../b', '"note" must not hold a path that leads upwards. Name the file without "../".'],
    ['..\\b', '"note" must not hold a path that leads upwards.'],
  ])('refuses %j, and says what to do', (text, message) => {
    expect(findTextProblem('note', text)?.message).toContain(message)
  })

  it('lets pass as many characters as a manager takes, and no more', () => {
    const longest = 'x'.repeat(MAX_TEXT_LENGTH)
    expect([findTextProblem('note', longest), isText(longest)]).toEqual([undefined, undefined])
    expect(isText(`${longest}x`)).toBeDefined()
    expect(findTextProblem('note', `${longest}x`)?.message).toBe(
      '"note" must not hold more than 1,000 characters. Shorten it.',
    )
  })

  it('lets pass all words with ordinary punctuation between them', () => {
    const word = fc.stringMatching(/^[\p{L}\p{N}]{1,12}$/u)
    const between = fc.constantFrom(
      ' ',
      ', ',
      '. ',
      ': ',
      '; ',
      ' – ',
      ' & ',
      ' < ',
      ' > ',
      ' = ',
      ' / ',
      ' "',
      '" ',
      "'s ",
    )
    const words = fc.array(fc.tuple(word, between), { maxLength: 40 }).map((pairs) => pairs.flat().join(''))
    fc.assert(
      fc.property(words, (text) => {
        // A quote, and a word on… = behind it.
        fc.pre(!/on[a-z]{3,}\s*=/i.test(text))
        expect(findTextProblem('note', text)).toBeUndefined()
      }),
    )
  })

  it('finds whatever is refused anywhere in a text', () => {
    const plain = fc.stringMatching(/^[a-z0-9 ,.&;()]{0,400}$/)
    const hostile = fc.constantFrom(
      '\0',
      '\r\n',
      '\u001b[2J',
      '\u202e',
      '\ud800',
      '<script>',
      '</a>',
      '" onload=',
      ' ../',
    )
    fc.assert(
      fc.property(plain, hostile, plain, (before, attack, after) => {
        expect(findTextProblem('note', `${before}${attack}${after}`)).toBeDefined()
      }),
    )
  })

  it('shows a field by its name on one line, however it is called', () => {
    expect(findTextProblem('no\nte', '<b>')?.message).toBe(
      '"no\\nte" must not hold markup. Put a space after "<", or say it in words.',
    )
  })

  it('comes to an end with a text that is made to be slow', () => {
    expect(findTextProblem('note', `${'" '.repeat(497)}onabc`)).toBeUndefined()
    expect(findTextProblem('note', `"${'onabc '.repeat(165)}`)).toBeUndefined()
  })
})

describe('findFormProblem', () => {
  it('looks at each field, and at each of the same name', () => {
    expect(findFormProblem(new URLSearchParams('kind=every&period=5m&note='))).toBeUndefined()
    expect(findFormProblem(new URLSearchParams('note=fine&note=%3Cb%3E&runId=%00'))).toEqual({
      holds: 'markup',
      message: expect.stringContaining('"note" must not hold markup'),
    })
  })
})
