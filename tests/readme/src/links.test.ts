import { expect, it } from 'vitest'
import { brokenLinks, findDocuments } from './documents.ts'

it.each(await findDocuments())('%s links to what is there', async (document) => {
  expect(await brokenLinks(document)).toEqual([])
})
