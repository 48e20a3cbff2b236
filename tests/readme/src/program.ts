import { TestProcess } from 'test-process'
import { expect } from 'vitest'
import type { CodeBlock } from './documents.ts'
import { SnippetFolder } from './snippet-folder.ts'

/** Where documents say that Redis is. */
const REDIS = 'redis://127.0.0.1:6379'

/** Whether a block talks to Redis. */
export function needsRedis({ code }: CodeBlock): boolean {
  return code.includes(REDIS)
}

/** The block on another Redis, for an application of its own. */
export function movedTo(block: CodeBlock, url: string, applicationName: string): CodeBlock {
  return { ...block, code: block.code.replaceAll(REDIS, url).replaceAll("'shop'", `'${applicationName}'`) }
}

/** Whether a block runs until a signal comes; else it ends by itself. */
function runsUntilSignal({ code }: CodeBlock): boolean {
  return /\bprocess\.on(?:ce)?\('SIG|\brunApplication\(/.test(code)
}

/** Runs a program as a reader would, ends it with a signal if it needs one, and sees that it ends well and silently. */
export async function runProgram(block: CodeBlock): Promise<void> {
  await using folder = await SnippetFolder.of([{ ...block, code: preparedCode(block) }])
  await using program = new TestProcess(folder.fileOf(block))
  if (runsUntilSignal(block)) {
    await program.line(/\bapplication started\b|^last line$/)
    program.signal(block.code.includes("'SIGINT'") ? 'SIGINT' : 'SIGTERM')
  }
  expect({ ...(await program.exit), stderr: program.stderr }).toEqual({ code: 0, signal: null, stderr: '' })
}

/** It takes any free port, listens on this machine only, and says when it has come to its end and listens for signals. */
function preparedCode({ code }: CodeBlock): string {
  return `${code.replaceAll('port: 9090', 'port: 0').replaceAll(", host: '0.0.0.0'", '')}\nconsole.log('last line')\n`
}
